"""Spans as they are known and handed on: identities, their W3C Trace Context form, and what is recorded of one.

A span through OpenTelemetry's SDK and its exporter costs 45 to 90 µs, and an image has about a dozen (see
docs/performance.md). A span here is a plain object; `shared.tracing` starts it, and `shared.otlp` encodes it when it is
sent.
Spans are `opentelemetry.trace.Span`s; `trace.get_current_span` knows the current one if it is recorded, `current` any.
"""

import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry import trace
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

from shared.errors import DarkroomError
from shared.otlp import Value
from shared.redaction import redacted

Attributes = Mapping[str, Value]

#: W3C Trace Context: version, trace id, parent id, flags. Version 00 is exactly that, later ones may append more.
#: Ids of zeroes are none.
_IDS: Final = r"((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})"
_VERSION_00: Final = re.compile(rf"00-{_IDS}-[0-9a-f]{{2}}")
_LATER: Final = re.compile(rf"(?!00|ff)[0-9a-f]{{2}}-{_IDS}-([0-9a-f]{{2}})(?:-[ -~]*)?")
#: Characters of a tracestate above which it is dropped (the recommendation asks to hand on 512 at least).
LONGEST_STATE: Final = 512
#: Last digits of flags that say "sampled".
_ODD: Final = "13579bdf"


class Remote(NonRecordingSpan):
    """A span of another process, or one that is not recorded: only its identity, handed on as it came.

    Its traceparent (of version 00) is all that is kept: most are only handed on, so ids are cut from it when asked for.
    """

    def __init__(self, traceparent: str, tracestate: str = "") -> None:
        self.traceparent = traceparent
        self.tracestate = tracestate
        self.sampled = traceparent[54] in _ODD

    def __repr__(self) -> str:
        return f"Remote({self.traceparent})"

    @property
    def trace(self) -> str:
        return self.traceparent[3:35]

    @property
    def span(self) -> str:
        return self.traceparent[36:52]

    def get_span_context(self) -> SpanContext:
        return _context(self, is_remote=True)


class Recorded(Span):
    """A span that is exported when it ends. Ids are hexadecimal, times nanoseconds since the epoch.

    What is told of it after its end is not heard: it may be on its way already.
    """

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

    def __init__(
        self, told: Callable[["Recorded"], None], name: str, trace_id: str, span_id: str, start_ns: int, service: str
    ) -> None:
        #: Who is told of its end.
        self._told = told
        self.name = name
        self.trace = trace_id
        self.span = span_id
        self.start_ns = start_ns
        self.service = service

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace}-{self.span}-01"

    def end(self, end_time: int | None = None) -> None:
        if not self.end_ns:
            self.end_ns = end_time or time.time_ns()
            self._told(self)

    def discard(self) -> None:
        """End without being exported: somebody else tells of this span."""
        self.end_ns = self.end_ns or time.time_ns()

    def get_span_context(self) -> SpanContext:
        return _context(self, is_remote=False)

    def is_recording(self) -> bool:
        return not self.end_ns

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if not self.end_ns:
            self.attributes = {**self.attributes, **attributes}

    def set_attribute(self, key: str, value: Any) -> None:  # noqa: ANN401 - the API's own signature
        if not self.end_ns:
            self.attributes = {**self.attributes, key: value}

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:  # noqa: ANN401
        if not self.end_ns:
            self.events = (*self.events, (name, timestamp or time.time_ns(), attributes or {}))

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:  # noqa: ANN401
        if not self.end_ns:
            self.links = (*self.links, (f"{context.trace_id:032x}", f"{context.span_id:016x}", attributes or {}))

    def update_name(self, name: str) -> None:
        if not self.end_ns:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self.end_ns:
            return
        code, text = (status.status_code, status.description) if isinstance(status, Status) else (status, description)
        if self.status is not StatusCode.OK and code is not StatusCode.UNSET:
            self.status = code
            self.status_message = redacted(text or "") if code is StatusCode.ERROR else ""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,  # noqa: ANN401
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002, ARG002 - the API's own signature
    ) -> None:
        about = {
            "exception.type": type(exception).__qualname__,
            "exception.message": redacted(str(exception)),
            "exception.stacktrace": redacted("".join(traceback.format_exception(exception))),
        }
        self.add_event("exception", {**about, **(attributes or {})}, timestamp)

    def fail(self, error: BaseException) -> None:
        """Tell that an exception ended what the span is about."""
        self.record_exception(error)
        if "error.type" not in self.attributes:
            self.set_attribute("error.type", error.code if isinstance(error, DarkroomError) else type(error).__name__)
        self.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")


Known = Remote | Recorded
_OURS: Final = frozenset({Remote, Recorded})
#: The current span where it is not recorded: a change of OpenTelemetry's own context costs as much as all else in it.
unrecorded: Final = ContextVar[Remote | None]("unrecorded", default=None)


def current() -> Span:
    """The current span, recorded or not; the invalid one without one."""
    return unrecorded.get() or trace.get_current_span()


def read(traceparent: str, tracestate: str = "") -> Remote | None:
    """The span that a carrier names; none when `traceparent` is not one (W3C: then `tracestate` is ignored too)."""
    if len(tracestate) > LONGEST_STATE:
        tracestate = ""
    if _VERSION_00.fullmatch(traceparent):
        return Remote(traceparent, tracestate)
    found = _LATER.fullmatch(traceparent)
    return Remote(f"00-{found.group(1)}-{_flags(found.group(2)[1] in _ODD)}", tracestate) if found else None


def carrier(span: Span) -> tuple[str, str]:
    """`traceparent` and `tracestate` that name a span; empty texts for an invalid one."""
    own = span if type(span) in _OURS else known(span)
    return (own.traceparent, own.tracestate) if own is not None else ("", "")  # type: ignore[attr-defined]


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
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{_flags(context.trace_flags.sampled)}"
    return Remote(traceparent, context.trace_state.to_header())


def _flags(sampled: bool) -> str:  # noqa: FBT001 - its one argument
    return "01" if sampled else "00"


def _context(span: Known, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        int(span.trace, 16),
        int(span.span, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if span.sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([span.tracestate]) if span.tracestate else TraceState(),
    )
