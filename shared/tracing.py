"""Spans that cost little: the API of OpenTelemetry, without the machinery of its SDK.

A span through the SDK and its exporter costs 45 to 90 µs, and an image has about a dozen (see docs/performance.md). A
span here is a plain object; it is encoded by `shared.otlp` when it is sent. Sampler, resource and exporter are the
SDK's, so that the standard OTEL_* variables mean what they mean everywhere.

Spans are `opentelemetry.trace.Span`s: `trace.use_span`, `trace.get_current_span` and log correlation work as usual.
"""

import random
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from shared.otlp import Value

Attributes = Mapping[str, Value]

#: W3C Trace Context level 1: version, trace id, parent id, flags; later versions may append more.
TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?"
)
#: Bytes of a tracestate above which it is dropped (the recommendation asks for 512 at least).
LONGEST_STATE: Final = 512


class Remote(NonRecordingSpan):
    """A span of another process, or one that is not recorded: only its identity, handed on as it came."""

    def __init__(self, trace_id: str, span_id: str, *, sampled: bool, tracestate: str = "") -> None:
        self.trace = trace_id
        self.span = span_id
        self.sampled = sampled
        self.tracestate = tracestate

    def __repr__(self) -> str:
        return f"Remote({carrier(self)[0]})"

    def get_span_context(self) -> SpanContext:
        return _context(self, is_remote=True)


class Recorded(Span):
    """A span that is exported when it ends. Ids are hexadecimal, times nanoseconds since the epoch."""

    sampled = True

    def __init__(self, tracer: "Tracer", name: str, trace_id: str, span_id: str, start_ns: int) -> None:
        self._tracer = tracer
        self.name = name
        self.trace = trace_id
        self.span = span_id
        self.start_ns = start_ns
        self.end_ns = 0
        self.kind = SpanKind.INTERNAL
        self.service = ""
        self.parent = ""
        self.remote_parent = False
        self.tracestate = ""
        self.attributes: dict[str, Value] = {}
        self.events: list[tuple[str, int, Attributes]] = []
        self.links: list[tuple[str, str, Attributes]] = []
        self.status = StatusCode.UNSET
        self.status_message = ""

    def end(self, end_time: int | None = None) -> None:
        if not self.end_ns:
            self.end_ns = end_time or time.time_ns()
            self._tracer.ended(self)

    def discard(self) -> None:
        """End without being exported: somebody else tells of this span."""
        self.end_ns = self.end_ns or time.time_ns()

    def get_span_context(self) -> SpanContext:
        return _context(self, is_remote=False)

    def is_recording(self) -> bool:
        return not self.end_ns

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:  # noqa: ANN401 - the API's own signature
        self.attributes[key] = value

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:  # noqa: ANN401
        self.events.append((name, timestamp or time.time_ns(), attributes or {}))

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:  # noqa: ANN401
        self.links.append((f"{context.trace_id:032x}", f"{context.span_id:016x}", attributes or {}))

    def update_name(self, name: str) -> None:
        self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        code, text = (status.status_code, status.description) if isinstance(status, Status) else (status, description)
        if self.status is not StatusCode.OK and code is not StatusCode.UNSET:
            self.status = code
            self.status_message = (text or "") if code is StatusCode.ERROR else ""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,  # noqa: ANN401
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002, ARG002 - the API's own signature
    ) -> None:
        about = {
            "exception.type": type(exception).__qualname__,
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
        }
        self.add_event("exception", {**about, **(attributes or {})}, timestamp)


Known = Remote | Recorded


class Tracer:
    """Starts spans. Until it is switched on, a span started here is its parent, so contexts pass through untouched."""

    def __init__(self) -> None:
        self._sampler: Sampler | None = None
        self._asks_parent = True
        self._sink: Callable[[Recorded], None] | None = None
        self.service = "darkroom"

    def switch_on(self, service: str, sampler: Sampler, sink: Callable[[Recorded], None]) -> None:
        """Record what `sampler` decides on and hand each finished span to `sink`, which may be called by any thread."""
        self.service = service
        self._sampler = sampler
        self._asks_parent = isinstance(sampler, ParentBased)
        self._sink = sink

    def switch_off(self) -> None:
        self._sampler = self._sink = None

    def ended(self, span: Recorded) -> None:
        if self._sink is not None:
            self._sink(span)

    @property
    def on(self) -> bool:
        """Whether spans are recorded at all."""
        return self._sink is not None

    def may_record(self, parent: Span) -> bool:
        """Whether a child of `parent` may be recorded; where not, nobody need make its attributes."""
        if self._sink is None:
            return False
        return not self._asks_parent or (above := known(parent)) is None or above.sampled

    def start(
        self,
        name: str,
        *,
        parent: Span | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        start_ns: int = 0,
        identity: tuple[str, str] | None = None,
        service: str = "",
    ) -> Span:
        """Begin a span, a child of `parent` (without one: of the current span); whoever began it ends it.

        `identity` is trace id (taken where there is no parent) and span id of a span that must be the same whoever
        tells of it. `service` is the service it belongs to, where its parent does not say.
        """
        above = known(trace.get_current_span() if parent is None else parent)
        if self._sampler is None:
            return above or trace.INVALID_SPAN
        if above is not None and self._asks_parent and not above.sampled:
            return above
        new_trace, span_id = identity or (_new_id(128) if above is None else "", _new_id(64))
        trace_id = above.trace if above is not None else new_trace
        if not (above is not None and self._asks_parent) and not self._chosen(above, trace_id, name, kind, attributes):
            return Remote(trace_id, span_id, sampled=False, tracestate=above.tracestate if above else "")
        span = Recorded(self, name, trace_id, span_id, start_ns or time.time_ns())
        span.kind = kind
        span.service = service or self.service
        if attributes:
            span.attributes = dict(attributes)
        if above is not None:
            span.parent = above.span
            span.tracestate = above.tracestate
            if isinstance(above, Recorded):
                span.service = service or above.service
            else:
                span.remote_parent = True
        return span

    @contextmanager
    def running(
        self,
        name: str,
        *,
        parent: Span | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        service: str = "",
    ) -> Iterator[Span]:
        """A span that is the current one inside the `with`; an exception that leaves it is recorded and goes on."""
        span = self.start(name, parent=parent, kind=kind, attributes=attributes, service=service)
        with trace.use_span(span, end_on_exit=True):
            yield span

    def _chosen(
        self, above: Known | None, trace_id: str, name: str, kind: SpanKind, attributes: Attributes | None
    ) -> bool:
        if self._sampler is None:
            return False
        context = trace.set_span_in_context(above) if above is not None else None
        result = self._sampler.should_sample(context, int(trace_id, 16), name, kind, attributes)
        return result.decision is Decision.RECORD_AND_SAMPLE


def read(traceparent: str, tracestate: str = "") -> Remote | None:
    """The span that a carrier names; none when `traceparent` is not one (W3C: then `tracestate` is ignored too)."""
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if more is not None and version == "00":
        return None
    kept = tracestate if len(tracestate) <= LONGEST_STATE else ""
    return Remote(trace_id, span_id, sampled=bool(int(flags, 16) & 1), tracestate=kept)


def carrier(span: Span) -> tuple[str, str]:
    """`traceparent` and `tracestate` that name a span; empty texts for an invalid one."""
    own = known(span)
    if own is None:
        return "", ""
    return f"00-{own.trace}-{own.span}-{'01' if own.sampled else '00'}", own.tracestate


def known(span: Span) -> Known | None:
    """A span as one of ours; one of another SDK by its identity; none for an invalid one."""
    if isinstance(span, Recorded | Remote):
        return span
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return Remote(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        sampled=context.trace_flags.sampled,
        tracestate=context.trace_state.to_header(),
    )


def _new_id(bits: int) -> str:
    # Ids are no secrets, and this generator is seeded anew in a forked process.
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"


def _context(span: Known, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        int(span.trace, 16),
        int(span.span, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if span.sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([span.tracestate]) if span.tracestate else TraceState(),
    )
