"""`otel/schema.yaml` against what is really emitted, in both directions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from shared import metrics
from tests.support.otlp import ReceivedSpan
from tests.support.site import Site
from tests.support.waiting import wait_until
from tests.telemetry.conftest import Hook, Traced, picture

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = yaml.safe_load((ROOT / "otel/schema.yaml").read_text())
#: Attributes of the exporter's own that come with every span's resource only where the environment sets them.
TYPES = {str: "string", bool: "boolean", int: "int"}


@pytest.fixture(scope="module")
def seen(traced: Traced) -> Traced:
    """The product after everything that makes a span has happened once."""
    return traced


@pytest.fixture
def everything(seen: Traced, hook: Hook, corrupt: bytes, site: Site) -> list[ReceivedSpan]:
    hook.answers = [500]
    site.pages["/cat.png"] = picture(53)
    seen.http.post("/v1/images", params={"url": f"{site.url}/cat.png"}).raise_for_status()
    (told,) = seen.upload(50, filters="sepia", webhook=hook.url)
    seen.ended(told)
    seen.ended(seen.upload(50, filters="sepia")[0])
    answer = seen.http.post("/v1/images", files={"image": ("cut.png", corrupt)}, data={"filters": "sepia"}).json()
    failed = answer["jobs"][0]["id"]
    seen.ended(failed)
    assert seen.http.post(f"/v1/jobs/{failed}/retry").status_code == 202
    seen.ended(failed, run=2)
    seen.http.post("/v1/images", content=b"no image")
    inbox = seen.stack.data_dir / "blobs" / "inbox"
    inbox.mkdir()
    (inbox / "cat.png").write_bytes(picture(54))
    with Redis.from_url(seen.stack.redis_url) as redis:
        # What is not named by its content is known by name only after it was read: it may be there, or be wrong.
        for chain in ('[{"name":"sepia"}]', '[{"name":"sepia"}]', '[{"name":"none"}]'):
            event = f'{{"source":"inbox/cat.png","filters":{chain}}}'
            seen.ended(f"0-{redis.xadd('image.uploaded:{0}', {'data': event}).decode()}")
        redis.xadd("image.uploaded:{0}", {"data": "nonsense"})
    # What the worker has told by now must have been sent before it is killed.
    wait_until(lambda: {"dead", "guard", "recall"} <= set(_marks(seen.receiver.spans)), timeout=30)
    seen.freeze_pool()
    (lost,) = seen.upload(51, filters="sepia")
    seen.kill_at_work(lost)
    seen.ended(lost)
    wait_until(lambda: len(hook.requests) == 3, timeout=30)
    wait_until(lambda: {"resend", "lost"} <= set(_marks(seen.receiver.spans)), timeout=30)
    return seen.receiver.spans


def _marks(spans: list[ReceivedSpan]) -> Iterator[str]:
    for span in spans:
        if "http.request.resend_count" in span.attributes:
            yield "resend"
        if span.attributes.get("darkroom.attempt.end") == "lost":
            yield "lost"
        if span.name == "publish image.dead":
            yield "dead"
        if span.name in {"guard", "recall"}:
            yield span.name


@pytest.mark.timeout(240)
def test_every_span_is_declared_and_every_declared_one_is_seen(everything: list[ReceivedSpan]) -> None:
    declared = {entry["name"]: entry for entry in SCHEMA["spans"]}
    attributes: dict[str, set[str]] = {name: set() for name in declared}
    for span in everything:
        name = _declared_name(span)
        assert name in declared, f"{span.service}: {span.name} is not declared"
        entry = declared[name]
        assert (span.kind, span.service in entry["services"]) == (entry["kind"], True), span
        must, may = _flat(entry.get("attributes", [])), _flat(entry.get("optional", []))
        assert must <= set(span.attributes) <= must | may, span
        assert set(span.resource) == set(SCHEMA["resource"])
        attributes[name] |= set(span.attributes)
        for key, value in span.attributes.items():
            assert TYPES[type(value)] == SCHEMA["attributes"][key]["type"], (key, value)
    for name, entry in declared.items():
        assert attributes[name] == _flat([*entry.get("attributes", []), *entry.get("optional", [])]), name
    assert {key for keys in attributes.values() for key in keys} == set(SCHEMA["attributes"])


def _flat(names: list[Any]) -> set[str]:
    return {name for one in names for name in (one if isinstance(one, list) else [one])}


def _declared_name(span: ReceivedSpan) -> str:
    if span.kind == "server":
        assert span.name == f"{span.attributes['http.request.method']} {span.attributes['http.route']}"
        return "{method} {route}"
    if "darkroom.filter.name" in span.attributes:
        assert span.name == f"filter {span.attributes['darkroom.filter.name']}"
        return "filter {filter}"
    return span.name


def test_every_metric_is_declared_and_exposed_by_the_services_that_say_so(traced: Traced) -> None:
    traced.ended(traced.upload(52, filters="sepia")[0])
    exposed: dict[str, set[str]] = {}
    for service, address in traced.stack.admin.items():
        for family in text_string_to_metric_families(httpx.get(f"{address}/metrics").text):
            exposed.setdefault(family.name, set()).add(service)
    declared = {name: set(services) for name, services in SCHEMA["metrics"].items()}
    assert exposed == declared
    assert {metric.name for metric in metrics.every_metric()} == set(declared)


def test_no_label_can_take_values_without_end(traced: Traced) -> None:
    owned = {"stream", "group", "partition", "outcome", "priority", "event", "code", "filter", "step", "direction"}
    bounded = {*owned, "reason", "state", "what", "http_request_method", "http_route", "http_response_status_code"}
    for metric in metrics.every_metric():
        assert set(metric.labels) <= bounded, metric.name
    for method, path in (("FOO", "/v1/jobs"), ("GET", "/v1/jobs/0-made-up"), ("GET", "/any/thing"), ("BAR", "/none")):
        traced.http.request(method, path)
    routes = set()
    for service in ("ingest", "results"):
        text = httpx.get(f"{traced.stack.admin[service]}/metrics").text
        routes |= {tuple(pair) for pair in re.findall(r'http_request_method="([^"]*)",http_route="([^"]*)"', text)}
    assert not {method for method, _ in routes} & {"FOO", "BAR"}
    assert not [route for _, route in routes if "made-up" in route or "thing" in route]


@pytest.mark.timeout(240)
def test_every_field_of_a_log_line_is_declared(traced: Traced) -> None:
    job_id = traced.upload(53, filters="sepia")[0]
    traced.ended(job_id)
    declared = {name for part in SCHEMA["logs"].values() for name in part}
    lines = wait_until(lambda: [line for line in _lines(traced) if line.get("job_id") == job_id])
    assert len(lines) == 1, "one line per outcome of a job"
    (line,) = lines
    assert (line["event"], line["state"], line["service"]) == ("job ended", "done", "process")
    attempts = lambda: [one for one in traced.receiver.of_job(job_id) if one.name == "process image.uploaded"]  # noqa: E731
    (span,) = wait_until(attempts)
    assert (line["trace_id"], line["span_id"]) == (span.trace, span.id)
    for line in _lines(traced):
        assert set(SCHEMA["logs"]["always"]) <= set(line), line
        assert set(line) <= declared, line


def test_every_declared_field_is_written_somewhere() -> None:
    written = {"timestamp", "level", "service", "event", "exception", "trace_id", "span_id"}
    for folder in ("services", "shared", "infra"):
        for module in (ROOT / folder).rglob("*.py"):
            written |= set(_fields_in(ast.parse(module.read_text())))
    declared = {name for part in SCHEMA["logs"].values() for name in part}
    assert declared - written == set(), "declared and never written"


def _fields_in(tree: ast.Module) -> Iterator[str]:
    """Keywords of calls that log, and keys of the dicts that such calls take with `**`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "log":
                yield from (keyword.arg for keyword in node.keywords if keyword.arg not in {None, "exc_info"})
        elif isinstance(node, ast.Dict):
            yield from (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _lines(traced: Traced) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in traced.stack.logged().splitlines() if line.startswith("{")]
