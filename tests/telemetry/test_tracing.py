"""Spans of our own making keep the promises of OpenTelemetry's API, and OTLP's receivers can read them."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_OFF, ParentBasedTraceIdRatio
from opentelemetry.trace import INVALID_SPAN, SpanContext, SpanKind, StatusCode, TraceFlags

from shared import logs, otlp, telemetry, trace_context
from shared.trace_context import Recorded, Remote
from shared.tracing import Tracer
from tests.support.otlp import read
from tests.support.recording import recorded

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def spans() -> Iterator[list[Recorded]]:
    with recorded() as ended:
        yield ended


def test_a_child_has_the_trace_of_its_parent_and_names_it(spans: list[Recorded]) -> None:
    with telemetry.tracer.running("above") as above, telemetry.tracer.running("below"):
        pass
    below, again = spans
    assert (below.name, below.parent, below.trace) == ("below", again.span, again.trace)
    assert again is above
    assert not again.parent


def test_an_exception_is_told_and_leaves_the_context_as_it_was(spans: list[Recorded]) -> None:
    with telemetry.tracer.running("outer") as outer:
        with pytest.raises(ValueError, match="wrong"), telemetry.tracer.running("inner"):
            raise ValueError("wrong")
        assert trace.get_current_span() is outer
    inner = spans[0]
    assert inner.status is StatusCode.ERROR
    ((name, _, about),) = inner.events
    assert (name, about["exception.type"], about["exception.message"]) == ("exception", "ValueError", "wrong")
    assert trace.get_current_span() is INVALID_SPAN


def test_what_is_told_of_a_span_after_its_end_is_not_heard(spans: list[Recorded]) -> None:
    span = telemetry.tracer.start("work")
    other = telemetry.tracer.start("other").get_span_context()
    span.set_attribute("kept", value=True)
    span.end()
    span.set_attribute("late", value=True)
    span.set_attributes({"late": True})
    span.set_status(StatusCode.ERROR, "late")
    span.add_link(other)
    span.record_exception(ValueError("late"))
    span.update_name("late")
    (sent,) = spans
    assert (sent.name, sent.attributes, sent.status) == ("work", {"kept": True}, StatusCode.UNSET)
    assert (*sent.links, *sent.events) == ()


async def test_tasks_that_run_at_once_do_not_mix_their_spans(spans: list[Recorded]) -> None:
    async def work(number: int) -> None:
        with telemetry.tracer.running(f"above {number}"):
            await asyncio.sleep(0)
            telemetry.tracer.start(f"below {number}").end()

    await asyncio.gather(*(work(number) for number in range(5)))
    by_id = {span.span: span.name for span in spans}
    for span in spans:
        if span.name.startswith("below"):
            assert by_id[span.parent] == span.name.replace("below", "above")


def test_without_a_receiver_a_context_passes_through_as_it_came() -> None:
    parent = trace_context.read(PARENT, "vendor=1")
    assert parent is not None
    span = telemetry.tracer.start("nothing", parent=parent)
    assert trace_context.carrier(span) == (PARENT, "vendor=1")
    assert trace_context.carrier(telemetry.tracer.start("nothing")) == ("", "")


@pytest.mark.parametrize(
    ("sampler", "flags", "expected"),
    [
        (ParentBasedTraceIdRatio(0.0), "01", True),
        (ParentBasedTraceIdRatio(1.0), "00", False),
        (DEFAULT_OFF, "01", True),
        (ALWAYS_OFF, "01", False),
        (ALWAYS_ON, "00", True),
    ],
    ids=["parent on", "parent off", "off but parent on", "always off", "always on"],
)
def test_the_sampler_decides_as_it_does_in_the_sdk(sampler: object, flags: str, *, expected: bool) -> None:
    with recorded(sampler=sampler) as ended:  # type: ignore[arg-type] # samplers of the SDK, each of its own type
        parent = trace_context.read(f"00-{TRACE}-{SPAN}-{flags}")
        span = telemetry.tracer.start("work", parent=parent)
        span.end()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)  # type: ignore[arg-type]
        theirs = provider.get_tracer("test").start_span("work", context=_context(flags))
    assert bool(ended) is expected
    assert theirs.get_span_context().trace_flags.sampled is expected
    assert trace_context.carrier(span)[0].startswith(f"00-{TRACE}-")
    assert trace_context.carrier(span)[0].endswith("01" if expected else "00")


def test_a_root_that_is_not_sampled_is_the_current_one_for_all_that_is_done_in_it() -> None:
    with recorded(sampler=ParentBasedTraceIdRatio(0.0)) as ended:
        with telemetry.tracer.running("root", parent=INVALID_SPAN) as root:
            assert trace_context.current() is root
            assert logs.with_span(None, "info", {}) == telemetry.ids(root)
            with telemetry.tracer.running("child") as child:
                assert child is root
            telemetry.tracer.switch_on("test", ALWAYS_ON, ended.append)
            with telemetry.tracer.running("recorded") as inner:
                assert trace_context.current() is inner
            assert trace_context.current() is root
        assert trace_context.current() is INVALID_SPAN
    assert ended == [inner]


def test_a_root_that_is_not_sampled_says_so_downstream() -> None:
    with recorded(sampler=ParentBasedTraceIdRatio(0.0)) as ended:
        root = telemetry.tracer.start("root", parent=INVALID_SPAN)
        traceparent, _ = trace_context.carrier(root)
        child = telemetry.tracer.start("child", parent=trace_context.read(traceparent))
        child.end()
        root.end()
    assert traceparent.endswith("-00")
    assert trace_context.carrier(child)[0] == traceparent
    assert not ended
    assert telemetry.trace_id(root) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", PARENT.upper(), PARENT + "-extra", PARENT[:-1], f"ff-{TRACE}-{SPAN}-01"),
        *(
            f"00-{'0' * 32}-{SPAN}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f" {PARENT}",
            f"00-{TRACE}-{SPAN}-0x",
            f"{PARENT}\n",
        ),
    ],
)
def test_what_is_no_traceparent_is_no_parent(text: str) -> None:
    assert trace_context.read(text) is None


def test_a_later_version_of_traceparent_is_read_for_what_is_known() -> None:
    parent = trace_context.read(f"cc-{TRACE}-{SPAN}-01-what-the-future-holds")
    assert parent is not None
    assert (parent.trace, parent.span, parent.sampled) == (TRACE, SPAN, True)


@given(st.binary(max_size=80))
def test_any_bytes_in_a_traceparent_are_survived(data: bytes) -> None:
    span = telemetry.span_of({b"traceparent": data, b"tracestate": data})
    assert span is INVALID_SPAN or isinstance(span, Remote)


def test_a_tracestate_that_is_too_long_is_dropped_and_the_trace_kept() -> None:
    parent = trace_context.read(PARENT, "a=" + "b" * 600)
    assert parent is not None
    assert trace_context.carrier(parent) == (PARENT, "")


def test_a_span_of_another_sdk_is_a_parent_like_any_other(spans: list[Recorded]) -> None:
    theirs = TracerProvider(shutdown_on_exit=False).get_tracer("theirs").start_span("theirs")
    with trace.use_span(theirs):
        telemetry.tracer.start("ours").end()
    context = theirs.get_span_context()
    assert (spans[0].trace, spans[0].parent) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")


_values = st.one_of(st.text(max_size=40), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
_attributes = st.dictionaries(st.text(min_size=1, max_size=20), _values, max_size=6)


@given(
    name=st.text(max_size=60),
    kind=st.sampled_from(SpanKind),
    attributes=_attributes,
    linked=st.lists(st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1)), max_size=3),
    events=st.lists(st.tuples(st.text(max_size=20), _attributes), max_size=3),
    status=st.sampled_from(StatusCode),
    times=st.tuples(st.integers(1, 2**63), st.integers(1, 2**63)),
)
def test_every_span_is_read_back_as_it_was(
    name: str,
    kind: SpanKind,
    attributes: dict[str, otlp.Value],
    linked: list[tuple[int, int]],
    events: list[tuple[str, dict[str, otlp.Value]]],
    status: StatusCode,
    times: tuple[int, int],
) -> None:
    ended: list[Recorded] = []
    tracer = Tracer()
    tracer.switch_on("shop", ALWAYS_ON, ended.append)
    parent = trace_context.read(PARENT, "vendor=1")
    span = tracer.start(name, parent=parent, kind=kind, attributes=attributes, start_ns=times[0])
    for trace_id, span_id in linked:
        span.add_link(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(1)))
    for event, about in events:
        span.add_event(event, about)
    span.set_status(status, "why" if status is StatusCode.ERROR else None)
    span.end(times[1])

    (came,) = read(otlp.request(ended, {"shop": telemetry._resource("shop")}, telemetry._scope()))
    assert (came.service, came.name, came.kind) == ("shop", _utf8(name), kind.name.lower())
    assert (came.trace, came.parent, came.start, came.end) == (TRACE, SPAN, *times)
    assert came.attributes == {_utf8(key): _utf8(value) for key, value in attributes.items()}
    assert came.links == [(f"{trace_id:032x}", f"{span_id:016x}") for trace_id, span_id in linked]
    assert came.events == [
        (_utf8(event), {_utf8(key): _utf8(value) for key, value in about.items()}) for event, about in events
    ]
    assert (came.status, came.message) == (status.name.lower(), "why" if status is StatusCode.ERROR else "")


def _utf8(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _context(flags: str) -> Context:
    remote = SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(trace.NonRecordingSpan(remote), Context())
