"""A real Jaeger as a receiver of spans: a binary on PATH, run with our configuration, asked by its query API."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from infra import jaeger
from infra.ports import free_port
from tests.support.otlp import ReceivedSpan
from tests.support.servers import ends_with_us
from tests.support.waiting import wait_until

HOST = "127.0.0.1"


@dataclass
class Jaeger:
    """Where to send (`url`) and where to ask (`page`); `spans` are those that were asked for so far."""

    url: str
    page: str
    _traces: dict[str, list[ReceivedSpan]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    @property
    def spans(self) -> list[ReceivedSpan]:
        return [span for spans in self._traces.values() for span in spans]

    def of_trace(self, trace: str) -> list[ReceivedSpan]:
        self._traces[trace] = trace_of(self.page, trace)
        return self._traces[trace]


@contextmanager
def running(folder: Path) -> Iterator[Jaeger]:
    """A Jaeger of its own on free ports of the loopback."""
    binary = shutil.which("jaeger")
    assert binary is not None, "there is no jaeger on PATH"
    page, receiver = free_port(HOST), free_port(HOST)
    (folder / "jaeger.json").write_text(json.dumps(jaeger.configuration(page=page, receiver=receiver)))
    with ends_with_us([binary, "--config", str(folder / "jaeger.json")], log=folder / "jaeger.log"):
        found = Jaeger(f"http://{HOST}:{receiver}", f"http://{HOST}:{page}")
        wait_until(lambda: _answers(found.page), timeout=60)
        yield found


def trace_of(page: str, trace: str) -> list[ReceivedSpan]:
    """The spans of a trace as the query API tells them, by their start; none when it knows none."""
    answer = httpx.get(f"{page}/api/traces/{trace}", trust_env=False)
    if not answer.is_success:
        return []
    (found,) = answer.json()["data"]
    return sorted((_read(span, found["processes"]) for span in found["spans"]), key=lambda span: span.start)


def _read(span: dict[str, Any], processes: dict[str, Any]) -> ReceivedSpan:
    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
    process = processes[span["processID"]]
    above = [one["spanID"] for one in span["references"] if one["refType"] == "CHILD_OF"]
    start = span["startTime"] * 1000
    return ReceivedSpan(
        service=process["serviceName"],
        name=span["operationName"],
        kind=tags.get("span.kind", "internal"),
        trace=span["traceID"],
        id=span["spanID"],
        parent=above[0] if above else "",
        start=start,
        end=start + span["duration"] * 1000,
        attributes=tags,
        # Links that are no parents come as references of the other kind.
        links=[(one["traceID"], one["spanID"]) for one in span["references"] if one["refType"] == "FOLLOWS_FROM"],
        status=str(tags.get("otel.status_code", "unset")).lower(),
        message=str(tags.get("otel.status_description", "")),
        events=[_event(log) for log in span.get("logs") or []],
        resource={tag["key"]: tag["value"] for tag in process.get("tags") or []},
    )


def _event(log: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    fields = {one["key"]: one["value"] for one in log["fields"]}
    return str(fields.pop("event", "")), fields


def _answers(page: str) -> bool:
    try:
        return httpx.get(f"{page}/api/services", trust_env=False).is_success
    except httpx.TransportError:
        return False
