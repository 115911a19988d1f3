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
#: What only a defect or a full server would bring about (of requests, see tests/ingest/test_telemetry.py).
UNSEEN = {"process image.progress": {"error.type"}, "{method} {route}": {"error.type"}}
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
    seen.ended(seen.upload(57, filters="sepia", priority="bulk")[0])
    seen.ended(seen.upload(58, filters="sepia,crop:x=60000")[0])
    (told,) = seen.upload(50, filters="sepia", webhook=hook.url)
    seen.ended(told)
    seen.ended(seen.upload(50, filters="sepia")[0])
    answer = seen.http.post("/v1/images", files={"image": ("cut.png", corrupt)}, data={"filters": "sepia"}).json()
    failed = answer["jobs"][0]["id"]
    seen.ended(failed)
    assert seen.http.post(f"/v1/jobs/{failed}/retry").status_code == 202
    seen.ended(failed, run=2)
    seen.http.post("/v1/images", content=b"no image")
    seen.http.post("/no/such/path")
    seen.http.request("PURGE", "/v1/images")
    seen.http.post("/v1/images", params={"url": f"{site.url}/none.png"})
    (unheard,) = seen.upload(55, filters="sepia", webhook="http://127.0.0.1:9/")
    seen.ended(unheard)
    inbox = seen.stack.data_dir / "blobs" / "inbox"
    inbox.mkdir()
    (inbox / "cat.png").write_bytes(picture(54))
    with Redis.from_url(seen.stack.redis_url) as redis:
        redis.hset("batch:{0}:taken", "owner", "somebody else")
        assert seen.http.post("/v1/images", params={"batch": "taken"}, content=picture(56)).status_code == 422
        # What is not named by its content is known by name only after it was read: it may be there, or be wrong.
        for chain in ('[{"name":"sepia"}]', '[{"name":"sepia"}]', '[{"name":"none"}]'):
            event = f'{{"source":"inbox/cat.png","filters":{chain}}}'
            seen.ended(f"0-{redis.xadd('image.uploaded:{0}', {'data': event}).decode()}")
        redis.xadd("image.uploaded:{0}", {"data": "nonsense"})
    seen.freeze_pool()
    (shaken,) = seen.upload(61, filters="sepia")
    seen.kill_child_at_work(shaken)
    assert seen.ended(shaken)["state"] == "done"
    # What the worker has told by now must have been sent before it is killed.
    wait_until(lambda: {"dead", "guard", "recall", "retried"} <= set(_marks(seen.receiver.spans)), timeout=30)
    seen.freeze_pool()
    (lost,) = seen.upload(51, filters="sepia")
    (unwanted,) = seen.upload(59, filters="sepia")
    assert seen.http.delete(f"/v1/jobs/{unwanted}").json()["state"] == "cancelled"
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
        if any(event == "darkroom.attempt.retry" for event, _ in span.events):
            yield "retried"


@pytest.mark.timeout(240)
def test_every_span_is_declared_and_every_declared_one_is_seen(everything: list[ReceivedSpan]) -> None:
    declared = {entry["name"]: entry for entry in SCHEMA["spans"]}
    attributes: dict[str, set[str]] = {name: set() for name in declared}
    for span in everything:
        name = _declared_name(span)
        assert name in declared, f"{span.service}: {span.name} is not declared"
        entry = declared[name]
        assert (span.kind, span.service in entry["services"]) == (entry["kind"], True), span
        assert _flat(entry.get("attributes", [])) <= set(span.attributes) <= _may(entry), span
        assert set(span.resource) == set(SCHEMA["resource"])
        for event, about in span.events:
            assert set(about) == set(SCHEMA["events"][event]), span
        attributes[name] |= set(span.attributes)
        for key, value in span.attributes.items():
            assert TYPES[type(value)] == SCHEMA["attributes"][key]["type"], (key, value)
    assert {f"{verb} image.uploaded{way}" for verb in ("publish", "process") for way in ("", ".bulk")} <= {
        span.name for span in everything
    }
    for name, entry in declared.items():
        assert attributes[name] | UNSEEN.get(name, set()) == _may(entry), name
    assert {event for span in everything for event, _ in span.events} == set(SCHEMA["events"])
    assert {key for keys in attributes.values() for key in keys} == set(SCHEMA["attributes"])


def _flat(names: list[Any]) -> set[str]:
    return {name for one in names for name in (one if isinstance(one, list) else [one])}


def _is_attempt_at(job_id: str, span: ReceivedSpan) -> bool:
    return span.name == "process image.uploaded" and span.attributes["darkroom.job.id"] == job_id


def _may(entry: dict[str, Any]) -> set[str]:
    return _flat([*entry.get("attributes", []), *entry.get("optional", [])])


def _declared_name(span: ReceivedSpan) -> str:
    if span.kind == "server":
        method = span.attributes["http.request.method"].replace("_OTHER", "HTTP")
        assert span.name == f"{method} {span.attributes.get('http.route', '')}".strip()
        return "{method} {route}"
    if "darkroom.filter.name" in span.attributes:
        assert span.name == f"filter {span.attributes['darkroom.filter.name']}"
        return "filter {filter}"
    return re.sub(r" image\.uploaded(\.bulk)?$", " {uploads}", span.name)


def test_every_metric_is_declared_and_exposed_by_the_services_that_say_so(traced: Traced) -> None:
    traced.ended(traced.upload(52, filters="sepia")[0])
    exposed: dict[str, set[str]] = {}
    for service, address in traced.stack.admin.items():
        for family in text_string_to_metric_families(httpx.get(f"{address}/metrics").text):
            exposed.setdefault(family.name, set()).add(service)
    assert exposed == {name: set(entry["services"]) for name, entry in SCHEMA["metrics"].items()}
    labels = {metric.name: list(metric.labels) for metric in metrics.every_metric()}
    assert labels == {name: entry["labels"] for name, entry in SCHEMA["metrics"].items()}
    assert {label for names in labels.values() for label in names} == set(SCHEMA["labels"])


def test_no_label_can_take_values_without_end(traced: Traced) -> None:
    for method, path in (
        ("PURGE", "/v1/jobs"),
        ("GET", "/v1/jobs/0-made-up"),
        ("GET", "/any/thing"),
        ("PROPFIND", "/none"),
    ):
        traced.http.request(method, path)
    samples = [
        sample.labels
        for service in ("ingest", "results")
        for family in text_string_to_metric_families(httpx.get(f"{traced.stack.admin[service]}/metrics").text)
        for sample in family.samples
        if family.name == "http_server_request_duration_seconds"
    ]
    methods, routes = ({labels[name] for labels in samples} for name in ("http_request_method", "http_route"))
    assert "_OTHER" in methods
    assert methods <= {"GET", "POST", "DELETE", "_OTHER"}
    assert {"/v1/images", "/v1/jobs/{job_id}", "none"} <= routes
    assert not [route for route in routes if "made-up" in route or "thing" in route]


@pytest.mark.timeout(240)
def test_every_field_of_a_log_line_is_declared(traced: Traced) -> None:
    job_id = traced.upload(53, filters="sepia")[0]
    traced.ended(job_id)
    declared = {name for part in SCHEMA["logs"].values() for name in part}
    lines = wait_until(lambda: [line for line in _lines(traced) if line.get("job_id") == job_id])
    assert len(lines) == 1, "one line per outcome of a job"
    (line,) = lines
    assert (line["event"], line["state"], line["service"]) == ("job ended", "done", "process")
    (span,) = wait_until(lambda: [one for one in traced.receiver.spans if _is_attempt_at(job_id, one)])
    assert (line["trace_id"], line["span_id"]) == (span.trace, span.id)
    for line in _lines(traced):
        assert set(SCHEMA["logs"]["always"]) <= set(line), line
        assert set(line) <= declared, line


def test_every_field_that_is_written_is_declared_and_every_declared_one_is_written() -> None:
    # What every line has, and what `telemetry.ids` and a traceback bring along.
    written = {"timestamp", "level", "service", "event", "exception", "trace_id", "span_id"}
    for folder in ("services", "shared", "infra"):
        for module in (ROOT / folder).rglob("*.py"):
            for function in ast.walk(ast.parse(module.read_text())):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    written |= set(_fields_in(function))
    assert written == {name for part in SCHEMA["logs"].values() for name in part}


def _fields_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Keywords of its calls that log, and keys of the dicts that such a call takes by their name with `**`.

    What a function `about…` returns is taken so elsewhere.
    """
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict) and function.name.startswith("about"):
            yield from _texts(node.value)
        match node:
            case ast.Call(ast.Attribute(ast.Name("log"), _) | ast.Attribute(_, "tell_of"), _, words):
                yield from (word.arg for word in words if word.arg not in {None, "exc_info"})
                names |= {word.value.id for word in words if isinstance(word.value, ast.Name) and not word.arg}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and isinstance(node.value, ast.Dict):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id in names for target in targets):
                yield from _texts(node.value)


def _texts(document: ast.Dict) -> Iterator[str]:
    for key in document.keys:
        if isinstance(key, ast.IfExp):
            yield from (one.value for one in (key.body, key.orelse) if isinstance(one, ast.Constant))
        elif isinstance(key, ast.Constant):
            yield key.value


def _lines(traced: Traced) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in traced.stack.logged().splitlines() if line.startswith("{")]
