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
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, TraceIdRatioBased
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

#: W3C Trace Context: version, trace id, parent id, flags. Version 00 is exactly that, later ones may append more.
_VERSION_00: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LATER: Final = re.compile(r"(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-[ -~]*)?")
_LENGTH: Final = 55
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
#: Characters of a tracestate above which it is dropped (the recommendation asks to hand on 512 at least).
LONGEST_STATE: Final = 512
#: How the samplers of OTEL_TRACES_SAMPLER that ask the parent first describe what they do with roots.
_ROOTS: Final = re.compile(r"ParentBased\{root:(AlwaysOnSampler|AlwaysOffSampler|TraceIdRatioBased\{([0-9.e-]+)\})")
#: Last digits of flags that say "sampled".
_ODD: Final = "13579bdf"


class Remote(NonRecordingSpan):
    """A span of another process, or one that is not recorded: only its identity, handed on as it came."""

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        sampled: bool,  # noqa: FBT001
        tracestate: str = "",
        text: str = "",
    ) -> None:
        self.trace = trace_id
        self.span = span_id
        self.sampled = sampled
        self.tracestate = tracestate
        #: Its traceparent as it came, where it came.
        self.text = text

    def __repr__(self) -> str:
        return f"Remote({carrier(self)[0]})"

    def get_span_context(self) -> SpanContext:
        return _context(self, is_remote=True)


class Recorded(Span):
    """A span that is exported when it ends. Ids are hexadecimal, times nanoseconds since the epoch."""

    sampled = True
    # What most spans do not have is kept once, here.
    end_ns = 0
    kind = SpanKind.INTERNAL
    parent = ""
    remote_parent = False
    tracestate = ""
    attributes: dict[str, Value] = {}  # noqa: RUF012 - replaced, never changed
    events: Sequence[tuple[str, int, Attributes]] = ()
    links: Sequence[tuple[str, str, Attributes]] = ()
    status = StatusCode.UNSET
    status_message = ""

    def __init__(self, tracer: "Tracer", name: str, trace_id: str, span_id: str, start_ns: int, service: str) -> None:
        self._tracer = tracer
        self.name = name
        self.trace = trace_id
        self.span = span_id
        self.start_ns = start_ns
        self.service = service

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
        self.attributes = {**self.attributes, **attributes}

    def set_attribute(self, key: str, value: Any) -> None:  # noqa: ANN401 - the API's own signature
        self.attributes = {**self.attributes, key: value}

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:  # noqa: ANN401
        self.events = (*self.events, (name, timestamp or time.time_ns(), attributes or {}))

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:  # noqa: ANN401
        self.links = (*self.links, (f"{context.trace_id:032x}", f"{context.span_id:016x}", attributes or {}))

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
_OURS: Final = frozenset({Remote, Recorded})


class Tracer:
    """Starts spans. Until it is switched on, a span started here is its parent, so contexts pass through untouched."""

    def __init__(self) -> None:
        self._sampler: Sampler | None = None
        #: Whether a parent's decision is the decision.
        self.asks_parent = True
        self._sink: Callable[[Recorded], None] | None = None
        #: Roots whose trace id is below it (in its low 64 bits) are sampled; none: only the sampler knows.
        self._bound: int | None = None
        self.service = "darkroom"

    def switch_on(self, service: str, sampler: Sampler, sink: Callable[[Recorded], None]) -> None:
        """Record what `sampler` decides on and hand each finished span to `sink`, which may be called by any thread."""
        self.service = service
        self._sampler = sampler
        self.asks_parent = isinstance(sampler, ParentBased)
        self._bound = _bound(sampler)
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
        if not self.asks_parent or parent is trace.INVALID_SPAN:
            return True
        return getattr(parent, "sampled", True)

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

        `identity` is trace id (that of the parent, if there is one) and span id of a span that must be the same
        whoever tells of it. `service` is the service it belongs to, where its parent does not say.
        """
        above = known(trace.get_current_span() if parent is None else parent)
        if self._sampler is None:
            return above or trace.INVALID_SPAN
        if above is not None and self.asks_parent and not above.sampled:
            return above
        if identity is not None:
            trace_id, span_id = identity
        elif above is None:
            trace_id, span_id = _new_ids()
        else:
            trace_id, span_id = above.trace, _new_id()
        if not (above is not None and self.asks_parent) and not self._chosen(above, trace_id, name, kind, attributes):
            return Remote(trace_id, span_id, False, above.tracestate if above else "")  # noqa: FBT003 - hot
        span = Recorded(self, name, trace_id, span_id, start_ns or time.time_ns(), service or self.service)
        if kind is not SpanKind.INTERNAL:
            span.kind = kind
        if attributes:
            span.attributes = {**attributes}
        if above is not None:
            self._put_below(span, above, service)
        return span

    def add(
        self, name: str, parent: Span, start_ns: int, end_ns: int, attributes: dict[str, Value] | None = None
    ) -> None:
        """Tell of a child of a recorded span that is over already; the shortest way for many of them."""
        if type(parent) is not Recorded or self._sink is None:
            return
        span = Recorded(self, name, parent.trace, _new_id(), start_ns, parent.service)
        span.parent = parent.span
        span.end_ns = end_ns
        if parent.tracestate:
            span.tracestate = parent.tracestate
        if attributes:
            span.attributes = attributes
        self._sink(span)

    def running(
        self,
        name: str,
        *,
        parent: Span | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        service: str = "",
    ) -> "Running":
        """A span that is the current one inside the `with`; an exception that leaves it is recorded and goes on."""
        return Running(self.start(name, parent=parent, kind=kind, attributes=attributes, service=service))

    def _put_below(self, span: Recorded, above: Known, service: str) -> None:
        span.parent = above.span
        if above.tracestate:
            span.tracestate = above.tracestate
        if type(above) is Recorded:
            span.service = service or above.service
        else:
            span.remote_parent = True

    def _chosen(
        self, above: Known | None, trace_id: str, name: str, kind: SpanKind, attributes: Attributes | None
    ) -> bool:
        if self._sampler is None:
            return False
        if above is None and self._bound is not None:
            return int(trace_id[16:], 16) < self._bound
        context = trace.set_span_in_context(above) if above is not None else None
        result = self._sampler.should_sample(context, int(trace_id, 16), name, kind, attributes)
        return result.decision is Decision.RECORD_AND_SAMPLE


class Running:
    """A span as the current one of a `with`: what `trace.use_span` does, at a third of its price."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None

    def __enter__(self) -> Span:
        span = self._span
        if span is not trace.INVALID_SPAN:
            self._token = attach(trace.set_span_in_context(span))
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)
        if type(self._span) is not Recorded:
            return
        if isinstance(error, Exception):
            self._span.record_exception(error)
            self._span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
        self._span.end()


def read(traceparent: str, tracestate: str = "") -> Remote | None:
    """The span that a carrier names; none when `traceparent` is not one (W3C: then `tracestate` is ignored too)."""
    if len(tracestate) > LONGEST_STATE:
        tracestate = ""
    if len(traceparent) == _LENGTH and _VERSION_00.fullmatch(traceparent):
        trace_id, span_id = traceparent[3:35], traceparent[36:52]
        if trace_id == _NO_TRACE or span_id == _NO_SPAN:
            return None
        return Remote(trace_id, span_id, traceparent[54] in _ODD, tracestate, traceparent)
    found = _LATER.fullmatch(traceparent)
    if found is None or found.group(1) == _NO_TRACE or found.group(2) == _NO_SPAN:
        return None
    return Remote(found.group(1), found.group(2), found.group(3)[1] in _ODD, tracestate)


def carrier(span: Span) -> tuple[str, str]:
    """`traceparent` and `tracestate` that name a span; empty texts for an invalid one."""
    own = span if type(span) is Remote else known(span)
    if own is None:
        return "", ""
    if type(own) is Recorded:
        return f"00-{own.trace}-{own.span}-01", own.tracestate
    if not own.text:  # type: ignore[union-attr] # it is a Remote
        own.text = f"00-{own.trace}-{own.span}-{'01' if own.sampled else '00'}"  # type: ignore[union-attr]
    return own.text, own.tracestate  # type: ignore[union-attr]


def known(span: Span) -> Known | None:
    """A span as one of ours; one of another SDK by its identity; none for an invalid one."""
    # Asking abstract classes with isinstance costs ten times as much.
    if type(span) in _OURS:
        return span  # type: ignore[return-value] # it is one of the two
    if span is trace.INVALID_SPAN:
        return None
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return Remote(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        context.trace_flags.sampled,
        context.trace_state.to_header(),
    )


def _bound(sampler: Sampler) -> int | None:
    """What the SDK's own samplers compare a root's trace id with: asking them takes as long as all else in a root."""
    found = _ROOTS.match(sampler.get_description())
    if found is None or not isinstance(sampler, ParentBased):
        return None
    if found.group(2) is not None:
        return TraceIdRatioBased.get_bound_for_rate(float(found.group(2)))
    return 2**64 if found.group(1) == "AlwaysOnSampler" else 0


def _new_id() -> str:
    # Ids are no secrets, and this generator is seeded anew in a forked process.
    return f"{random.getrandbits(64) or 1:016x}"


def _new_ids() -> tuple[str, str]:
    """A new trace id and a new span id."""
    both = f"{random.getrandbits(192):048x}"
    return both[:32], both[32:]


def _context(span: Known, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        int(span.trace, 16),
        int(span.span, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if span.sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([span.tracestate]) if span.tracestate else TraceState(),
    )
