"""compose.yaml, its images and their locks: valid, closed, and in step with the rest."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import ComposeSpecification
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError

from infra.paths import RESULTS_PATHS
from infra.ports import free_port
from infra.server import valkey_binary
from shared import keys
from tests.support import acl
from tests.support.servers import ends_with_us
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
DEFAULTS = dict(re.findall(r"\$\{(\w+):-([^{}]*)\}", TEXT))
#: Made in this repository, one image each.
OURS = ("ingest", "process", "results")
#: What people open; everything else stays inside.
PUBLISHED = {"gateway", "jaeger", "grafana"}


@pytest.fixture(scope="module")
def compose() -> Mapping[str, Any]:
    """compose.yaml with the defaults of its variables, as Compose reads it without an .env."""
    text = TEXT
    for name, value in DEFAULTS.items():
        text = text.replace(f"${{{name}:-{value}}}", value)
    document: Mapping[str, Any] = yaml.safe_load(text)
    return document


def test_it_is_a_valid_compose_file(compose: Mapping[str, Any]) -> None:
    ComposeSpecification.model_validate(compose)


def test_every_variable_and_its_default_is_told_in_the_example() -> None:
    told = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if re.match(r"\w+=", line)
    )
    assert told == DEFAULTS


def test_only_what_people_open_is_published_and_only_on_the_loopback(compose: Mapping[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert set(published) == PUBLISHED
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_without_keys_it_says_that_its_network_is_closed_and_opens_no_host_name(compose: Mapping[str, Any]) -> None:
    for name in ("ingest", "results"):
        service = compose["services"][name]
        assert service["environment"]["DARKROOM_INSECURE"] == "true"
        assert "DARKROOM_ALLOWED_HOSTS" not in service["environment"]
        assert set(service["networks"]) <= {"inside", "outward"}
    assert compose["networks"]["inside"]["internal"]


def test_webhooks_can_leave_and_all_can_reach_a_bucket_with_a_file_more(compose: Mapping[str, Any]) -> None:
    assert {name for name, service in compose["services"].items() if "outward" in service["networks"]} == {"results"}
    assert not compose["networks"]["outward"]
    layer = yaml.safe_load((ROOT / "compose.outward.yaml").read_text())
    ComposeSpecification.model_validate(layer)
    reached = {name for name, service in layer["services"].items() if service == {"networks": ["inside", "outward"]}}
    assert reached == set(OURS) - {"results"}


def test_the_file_for_keys_gives_results_its_secrets_as_files() -> None:
    layer = yaml.safe_load((ROOT / "compose.keys.yaml").read_text())
    results = layer["services"]["results"]
    given = {Path(path).name for name, path in results["environment"].items() if name.endswith("_SECRET_FILE")}
    assert given == set(results["secrets"]) == set(layer["secrets"]) == {"links", "webhooks"}
    assert "secrets" not in layer["services"]["ingest"]
    ignored = (ROOT / ".gitignore").read_text().split()
    for secret in layer["secrets"].values():
        assert f"{secret['file'].removeprefix('.').rpartition('/')[0]}/" in ignored


def test_the_file_for_keys_turns_that_off() -> None:
    layer = yaml.safe_load((ROOT / "compose.keys.yaml").read_text())
    ComposeSpecification.model_validate(layer)
    for name in ("ingest", "results"):
        service = layer["services"][name]
        assert service["environment"]["DARKROOM_INSECURE"] == "false"
        folder = str(Path(service["environment"]["DARKROOM_API_KEYS_FILE"]).parent)
        assert service["volumes"] == [f"./keys:{folder}:ro"]


def test_every_container_is_limited_restarted_and_rotates_its_log(compose: Mapping[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["mem_limit"]
        assert service["restart"] == "unless-stopped"
        assert service["logging"]["options"].keys() >= {"max-size", "max-file"}


def test_our_containers_have_no_rights_and_can_be_scaled(compose: Mapping[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert not {"container_name", "ports", "hostname"} & service.keys()


def test_secrets_are_files_that_containers_are_given(compose: Mapping[str, Any]) -> None:
    assert not re.search(r"(?i)password[^\n]*darkroom\b", TEXT.replace("redis-password", ""))
    for name in OURS:
        service = compose["services"][name]
        # Not the one of the user who may do everything.
        assert service["environment"]["DARKROOM_REDIS_PASSWORD_FILE"] == "/run/secrets/redis-services-password"
        assert service["environment"]["DARKROOM_REDIS_URL"].startswith("redis://services@")
        assert service["secrets"] == ["redis-services-password"]
    for secret in compose["secrets"].values():
        assert (ROOT / secret["file"]).read_text().strip()


def test_the_queue_starts_with_the_users_that_are_documented(tmp_path: Path) -> None:
    for name in ("redis-password", "redis-services-password"):
        (tmp_path / name).write_text(f"{name}\n")
    port = free_port("127.0.0.1")
    environment = {
        "PATH": f"{valkey_binary().parent}:{os.environ['PATH']}",
        "REDIS_SECRETS": str(tmp_path),
        "REDIS_DATA": str(tmp_path),
        "REDIS_CONFIG": str(ROOT / "infra/redis/redis.conf"),
    }
    command = [
        "sh",
        str(ROOT / "infra/redis/start"),
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (
        ends_with_us(
            ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items()), *command],
            log=tmp_path / "log",
        ),
        Redis(port=port, password="redis-password") as operator,
        Redis(port=port, username="services", password="redis-services-password") as services,
    ):
        wait_until(lambda: _answers(operator), timeout=20)
        user = operator.acl_getuser("services")
        assert services.xadd(keys.uploaded(0), {"data": "{}"})
        for forbidden in ("FLUSHALL", "CONFIG GET *", "ACL LIST", "GET elsewhere"):
            with pytest.raises(NoPermissionError):
                services.execute_command(*forbidden.split())
        operator.execute_command("ACL", "SETUSER", *acl.rule("services"))
        documented = operator.acl_getuser("services")
        for part in ("flags", "categories", "commands", "keys", "channels"):
            assert user[part] == documented[part]


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisConnectionError:
        return False


def test_images_use_pinned_versions(compose: Mapping[str, Any]) -> None:
    images = [service["image"] for name, service in compose["services"].items() if name not in OURS]
    assert all(re.search(r":v?\d+\.\d+", image) for image in images)


@pytest.mark.parametrize("service", OURS)
def test_an_image_installs_its_part_of_the_lock(service: str) -> None:
    assert f" AS {service}\n" in (ROOT / "infra" / "docker" / "Dockerfile").read_text()
    whole = _locked(ROOT / "requirements.lock")
    part = _locked(ROOT / "infra" / "docker" / f"{service}.lock")
    assert part.items() <= whole.items()


@pytest.mark.parametrize("service", ["ingest", "results"])
def test_an_image_without_pixels_has_no_library_of_pixels(service: str) -> None:
    names = {line.split("==")[0] for line in _locked(ROOT / "infra" / "docker" / f"{service}.lock")}
    assert not names & {"numpy", "numba", "opencv-python-headless", "simplejpeg"}


def test_the_gateway_sends_results_what_the_origin_sends_it() -> None:
    caddy = (ROOT / "infra" / "docker" / "Caddyfile").read_text()
    paths = re.search(r"@results path (.*)", caddy)
    assert paths
    assert {path.removesuffix("/*") for path in paths.group(1).split()} == set(RESULTS_PATHS)


def test_a_telemetry_configuration_names_only_what_it_defines() -> None:
    for path in (ROOT / "otel").glob("*.yaml"):
        document = yaml.safe_load(path.read_text())
        if "service" not in document:
            continue
        assert set(document["service"]["extensions"]) == set(document["extensions"])
        for pipeline in document["service"]["pipelines"].values():
            for kind in ("receivers", "processors", "exporters"):
                assert set(pipeline[kind]) <= set(document[kind])


def test_a_trace_is_decided_on_when_what_the_alerts_are_about_has_happened() -> None:
    """Deciding sooner would leave slow images to chance, and forgetting decisions would cut traces apart."""
    sampling = yaml.safe_load((ROOT / "otel/collector.yaml").read_text())["processors"]["tail_sampling"]
    wait = int(sampling["decision_wait"].removesuffix("s"))
    alerts = yaml.safe_load((ROOT / "infra/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    (slow,) = [rule["expr"] for rule in alerts if rule["alert"] == "DarkroomJobsSlow"]
    assert wait > int(slow.split(">")[1])
    assert sampling["num_traces"] >= wait * sampling["expected_new_traces_per_sec"]
    assert min(sampling["decision_cache"].values()) >= 10 * sampling["num_traces"]


def test_the_attributes_that_the_collector_decides_by_are_those_of_the_schema() -> None:
    sampling = yaml.safe_load((ROOT / "otel/collector.yaml").read_text())["processors"]["tail_sampling"]
    declared = yaml.safe_load((ROOT / "otel/schema.yaml").read_text())["attributes"]
    used = set(re.findall(r"'key': '([^']+)'", str(sampling["policies"])))
    assert used <= set(declared)
    assert {"darkroom.event.type", "darkroom.job.attempt"} <= used


def _locked(path: Path) -> dict[str, frozenset[str]]:
    """Each requirement with its version and marker, and its hashes."""
    locked: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in path.read_text().splitlines():
        if line[:1].isalnum():
            current = locked.setdefault(line.removesuffix(" \\"), set())
        elif "--hash=" in line:
            current.add(line.strip().removesuffix(" \\"))
    return {requirement: frozenset(hashes) for requirement, hashes in locked.items()}
