"""compose.yaml and its images: valid, closed, and in step with the rest."""

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

from infra.local import MALLOC
from infra.paths import RESULTS_PATHS
from infra.ports import free_port
from infra.server import valkey_binary
from shared import keys
from shared.settings import Settings
from tests.support import acl
from tests.support.servers import ends_with_us
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
DEFAULTS = dict(re.findall(r"\$\{(\w+):-([^{}]*)\}", TEXT))
#: Made in this repository, one image each.
OURS = ("ingest", "process", "results")
#: Users of the queue besides its operator.
USERS = ("services", "exporter", "keda")
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


def test_no_container_has_rights_that_its_program_does_without(compose: Mapping[str, Any]) -> None:
    services: Mapping[str, Any] = compose["services"]
    assert all(service["security_opt"] == ["no-new-privileges:true"] for service in services.values())
    # Those whose own start needs more: it changes users.
    assert {name for name, service in services.items() if service.get("cap_drop") != ["ALL"]} == {"s3"}
    added = {name: service["cap_add"] for name, service in services.items() if "cap_add" in service}
    assert added == {"redis": ["CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"], "gateway": ["NET_BIND_SERVICE"]}
    assert {name for name, service in services.items() if not service.get("read_only")} == {"grafana", "s3"}
    assert not [name for name, service in services.items() if service.get("privileged") or "user" in service]


def test_our_images_run_as_a_user_without_rights_and_say_how_they_are() -> None:
    _arguments, *rest = re.split(r"(?m)^FROM ", (ROOT / "infra/docker/Dockerfile").read_text())
    targets = {stage.split()[2]: stage for stage in rest}
    assert re.search(r"useradd --system --uid [1-9]\d{4} .* darkroom", targets["base"])
    assert re.search(r"(?m)^ENTRYPOINT \[\"tini\", \"--\"\]$", targets["service"])
    assert re.search(r"(?m)^HEALTHCHECK [^#]*127\.0\.0\.1:9000/health/ready", targets["service"])
    for name in OURS:
        assert targets[name].startswith("service AS ")
        # The last word about users, after everything that needs root.
        assert re.findall(r"(?m)^(USER .*|RUN|COPY)", targets[name])[-1] == "USER darkroom"


def test_kernels_are_compiled_in_the_build_for_one_level_of_processors_and_large_buffers_keep_their_pages() -> None:
    process = (ROOT / "infra/docker/Dockerfile").read_text().partition("FROM service AS process")[2]
    lines = process.replace("\\\n", " ").splitlines()
    (built,) = (number for number, line in enumerate(lines) if line.startswith("RUN ") and "child.warm_up()" in line)
    before = "\n".join(lines[:built])
    assert re.search(r"(?m)^ARG CPU=x86-64-v[234]$", before)
    # No feature of the machine that builds slips in.
    assert re.search(r'(?m)^ENV NUMBA_CPU_NAME=\$\{CPU\} NUMBA_CPU_FEATURES=""$', before)
    kept = re.search(r"NUMBA_CACHE_DIR=(\S+) python ", lines[built])
    assert kept is not None
    # The same at run time, or they would be compiled once more.
    after = "\n".join(lines[built + 1 :])
    assert "NUMBA_CPU" not in after
    read = re.search(r"(?m)^ENV .*NUMBA_CACHE_DIR=(\S+)$", after)
    assert read is not None
    start = next(line for line in lines if line.startswith("CMD "))
    assert f"cp -R {kept[1]} {Path(read[1]).parent}/ && exec python -m services.process" in start
    assert Path(kept[1]).name == Path(read[1]).name
    for name, value in MALLOC.items():
        assert re.search(rf"(?m)^ENV .*\b{name}={value}\b", after)


def test_a_container_of_ours_is_given_the_time_that_its_drain_takes(compose: Mapping[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        drain = float(service["environment"].get("DARKROOM_DRAIN_GRACE", Settings.model_fields["drain_grace"].default))
        # Open requests and the admin port are given five seconds each.
        assert float(service["stop_grace_period"].removesuffix("s")) >= drain + 10


def test_what_the_smoke_run_changes_is_a_valid_compose_file_for_it(compose: Mapping[str, Any]) -> None:
    layer = yaml.safe_load((ROOT / "infra/containers/compose.smoke.yaml").read_text())
    ComposeSpecification.model_validate(layer)
    # It changes what is there; what it adds is the stranger's server alone.
    assert set(layer["services"]) - set(compose["services"]) == {"receiver"}


def test_every_container_tells_how_it_is_if_it_can(compose: Mapping[str, Any]) -> None:
    """Those of ours by their Dockerfile; the collector's image holds nothing that could ask it."""
    services: Mapping[str, Any] = compose["services"]
    assert {name for name, service in services.items() if "healthcheck" not in service} == {*OURS, "collector"}
    for name, service in services.items():
        for check in filter(None, [service.get("healthcheck")]):
            assert check["test"][0] in ("CMD", "CMD-SHELL"), name
            assert {"interval", "timeout", "retries"} <= check.keys(), name


def test_nobody_starts_before_what_it_cannot_do_without_is_healthy(compose: Mapping[str, Any]) -> None:
    waits = {name: service["depends_on"] for name, service in compose["services"].items() if "depends_on" in service}
    healthy = {"condition": "service_healthy"}
    assert waits == {
        **{name: {"redis": healthy} for name in (*OURS, "redis-exporter")},
        "gateway": {"ingest": healthy, "results": healthy},
    }


def test_our_containers_can_be_scaled(compose: Mapping[str, Any]) -> None:
    for name in OURS:
        assert not {"container_name", "ports", "hostname"} & compose["services"][name].keys()


def test_secrets_are_files_that_containers_are_given(compose: Mapping[str, Any]) -> None:
    assert not re.search(r"(?i)password[^\n]*darkroom\b", TEXT.replace("redis-password", ""))
    for name in OURS:
        service = compose["services"][name]
        # Not the one of the user who may do everything.
        assert service["environment"]["DARKROOM_REDIS_PASSWORD_FILE"] == "/run/secrets/redis-services-password"
        assert service["environment"]["DARKROOM_REDIS_URL"].startswith("redis://services@")
        assert service["secrets"] == ["redis-services-password"]
    # What watches the queue is none who may do everything either.
    watcher = compose["services"]["redis-exporter"]
    assert watcher["secrets"] == ["redis-exporter-password"]
    assert watcher["environment"]["REDIS_USER"] == "exporter"
    assert [name for name, one in compose["services"].items() if "redis-password" in one.get("secrets", ())] == [
        "redis"
    ]
    for secret in compose["secrets"].values():
        assert (ROOT / secret["file"]).read_text().strip()


def test_the_queue_starts_with_the_users_that_are_documented(tmp_path: Path) -> None:
    for name in ("redis-password", *(f"redis-{user}-password" for user in USERS)):
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
        assert services.xadd(keys.uploaded(0), {"data": "{}"})
        for forbidden in ("FLUSHALL", "CONFIG GET *", "ACL LIST", "GET elsewhere"):
            with pytest.raises(NoPermissionError):
                services.execute_command(*forbidden.split())
        for name in USERS:
            user = operator.acl_getuser(name)
            operator.execute_command("ACL", "SETUSER", *acl.rule(name))
            documented = operator.acl_getuser(name)
            for part in ("flags", "categories", "commands", "keys", "channels"):
                assert user[part] == documented[part], name


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisConnectionError:
        return False


def test_every_image_is_pinned_to_its_last_figure_where_people_change_it(compose: Mapping[str, Any]) -> None:
    pinned = {name: value for name, value in DEFAULTS.items() if name.endswith("_IMAGE")}
    images = {service["image"] for name, service in compose["services"].items() if name not in OURS}
    bases = {compose["services"][name]["build"]["args"]["PYTHON_IMAGE"] for name in OURS}
    # Each by a variable, which the example tells (see above), and none besides.
    assert images | bases == set(pinned.values())
    # SeaweedFS numbers its releases with two figures.
    figures = {name: 2 if name == "S3_IMAGE" else 3 for name in pinned}
    for name, image in pinned.items():
        version = re.fullmatch(r"[\w./-]+:v?(\d+(?:\.\d+)*)(?:-[a-z][a-z-]*)?(?:@sha256:[0-9a-f]{64})?", image)
        assert version, image
        assert version.group(1).count(".") + 1 == figures[name], image
    assert f"ARG PYTHON_IMAGE={pinned['PYTHON_IMAGE']}\n" in (ROOT / "infra/docker/Dockerfile").read_text()
    seaweed = pinned["S3_IMAGE"].rpartition(":")[2]
    assert f"\nseaweedfs-bin=={seaweed}" in (ROOT / "requirements-dev.lock").read_text(), "what the tests run on"


def test_kubernetes_runs_the_same_images() -> None:
    ours = {image.rpartition(":")[0]: image.rpartition(":")[2] for image in DEFAULTS.values() if ":" in image}
    for path in (ROOT / "infra/k8s").glob("*/kustomization.yaml"):
        for image in yaml.safe_load(path.read_text()).get("images", ()):
            if not image["name"].startswith("darkroom-"):
                assert image["newTag"] == ours[image.get("newName", image["name"])], path


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
