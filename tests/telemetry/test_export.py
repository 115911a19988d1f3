"""Sending spans: by the standard variables, in batches, and never at the cost of the work."""

import logging
import os
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from structlog.testing import capture_logs

from shared import telemetry
from shared.span_export import SpanSender
from shared.tracing import Tracer
from tests.support.otlp import Receiver, receiver
from tests.support.waiting import wait_until


@pytest.fixture
def received() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    level = logging.getLogger("opentelemetry.exporter").level
    yield
    telemetry.flush()
    logging.getLogger("opentelemetry.exporter").setLevel(level)


def switch_on(monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    telemetry.configure_tracing("shop", ["kitchen"])


def test_without_a_variable_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    switch_on(monkeypatch)
    assert not telemetry.tracer.on


@pytest.mark.parametrize(
    "off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_EXPORTER": "console"}]
)
def test_each_switch_of_opentelemetry_turns_it_off(
    monkeypatch: pytest.MonkeyPatch, received: Receiver, off: dict[str, str]
) -> None:
    switch_on(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=received.url, **off)
    assert not telemetry.tracer.on


def test_an_exporter_among_others_is_switched_on(monkeypatch: pytest.MonkeyPatch, received: Receiver) -> None:
    switch_on(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=received.url, OTEL_TRACES_EXPORTER="console, otlp")
    assert telemetry.tracer.on


def test_spans_say_whose_they_are(monkeypatch: pytest.MonkeyPatch, received: Receiver) -> None:
    attributes = "deployment.environment.name=test"
    switch_on(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=received.url, OTEL_RESOURCE_ATTRIBUTES=attributes)
    telemetry.tracer.start("serve", service="shop").end()
    telemetry.tracer.start("cook", service="kitchen").end()
    telemetry.flush()
    by_name = {span.name: span for span in received.spans}
    assert {name: span.service for name, span in by_name.items()} == {"serve": "shop", "cook": "kitchen"}
    resource = by_name["cook"].resource
    assert resource["service.namespace"] == "darkroom"
    assert resource["deployment.environment.name"] == "test"


def test_the_name_of_a_service_can_be_given(monkeypatch: pytest.MonkeyPatch, received: Receiver) -> None:
    switch_on(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=received.url, OTEL_SERVICE_NAME="mine")
    telemetry.tracer.start("serve").end()
    telemetry.flush()
    assert received.spans[0].service == "mine"


def test_headers_and_compression_are_the_exporters(monkeypatch: pytest.MonkeyPatch, received: Receiver) -> None:
    switch_on(
        monkeypatch,
        OTEL_EXPORTER_OTLP_ENDPOINT=received.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-tenant=darkroom",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )
    telemetry.tracer.start("serve").end()
    telemetry.flush()
    assert [span.name for span in received.spans] == ["serve"]
    assert received.headers[0]["x-tenant"] == "darkroom"
    assert received.headers[0]["content-encoding"] == "gzip"


def test_the_sampler_is_the_environments(monkeypatch: pytest.MonkeyPatch, received: Receiver) -> None:
    ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    switch_on(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=received.url, **ratio)
    for _ in range(400):
        telemetry.tracer.start("serve").end()
    telemetry.flush()
    assert 100 < len(received.spans) < 300


async def test_spans_can_be_sent_before_their_time(monkeypatch: pytest.MonkeyPatch, received: Receiver) -> None:
    switch_on(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=received.url, OTEL_BSP_SCHEDULE_DELAY="600000")
    telemetry.tracer.start("urgent").end()
    await telemetry.send_now()
    assert [span.name for span in received.spans] == ["urgent"]


def test_many_spans_go_in_few_requests(monkeypatch: pytest.MonkeyPatch, received: Receiver) -> None:
    switch_on(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=received.url, OTEL_BSP_SCHEDULE_DELAY="600000")
    for _ in range(2000):
        telemetry.tracer.start("serve").end()
    telemetry.flush()
    assert len(received.spans) == 2000
    assert received.requests <= 8


def test_a_receiver_that_is_away_costs_spans_and_two_lines() -> None:
    answers = iter([False, False, True, True])
    posted: list[int] = []

    def post(data: bytes) -> bool:
        posted.append(len(data))
        return next(answers)

    sender = SpanSender(post, {"shop": b""}, b"", delay=0.01)
    tracer = Tracer()
    tracer.switch_on("shop", ALWAYS_ON, sender.put)
    with capture_logs() as lines:
        for count in range(1, 5):
            tracer.start("serve").end()
            wait_until(partial(_has, posted, count))
        sender.close(5)
    assert [line["event"] for line in lines] == ["spans are not taken", "spans are taken again"]
    assert lines[1]["dropped"] == 2


def test_a_queue_that_is_full_drops_the_new_ones_and_tells_when_that_begins_and_ends() -> None:
    free = threading.Event()
    sender = SpanSender(lambda _: free.wait(10), {"shop": b""}, b"", queue=4, batch=2, delay=0.01)
    tracer = Tracer()
    tracer.switch_on("shop", ALWAYS_ON, sender.put)
    with capture_logs() as lines:
        for _ in range(100):
            tracer.start("serve").end()
        dropped = sender.dropped
        assert dropped >= 94
        assert sender.lost == {"shop": dropped}
        free.set()
        wait_until(lambda: len(lines) == 2)
        sender.close(5)
    assert [line["event"] for line in lines[:2]] == ["spans find no room", "spans find room again"]
    assert lines[1]["dropped"] == dropped


def test_a_span_that_cannot_be_encoded_does_not_stop_the_others() -> None:
    posted: list[bytes] = []
    sender = SpanSender(lambda data: not posted.append(data), {"shop": b""}, b"", batch=1, delay=0.01)
    tracer = Tracer()
    tracer.switch_on("shop", ALWAYS_ON, sender.put)
    with capture_logs() as lines:
        tracer.start("wrong", service="nobody knows").end()
        tracer.start("right").end()
        sender.close(5)
    assert len(posted) == 1
    assert lines[0]["event"] == "spans could not be encoded"


def _has(posted: list[int], count: int) -> bool:
    return len(posted) == count
