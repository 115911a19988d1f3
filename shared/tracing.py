"""Starting spans: which are recorded, under which parent, and which one is the current one.

Sampler, resource and exporter are those of OpenTelemetry's SDK, so that the standard OTEL_* variables mean what they
mean everywhere; the spans are ours (`shared.trace_context`).
"""

import random
import re
import time
from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind

from shared.otlp import Value
from shared.trace_context import Attributes, Known, Recorded, Remote, current, known, unrecorded

#: How the samplers of OTEL_TRACES_SAMPLER that ask the parent first describe what they do with roots.
_ROOTS: Final = re.compile(r"ParentBased\{root:(AlwaysOnSampler|AlwaysOffSampler|TraceIdRatioBased\{([0-9.e-]+)\})")
#: The low 64 bits, which samplers look at in a trace id.
_LOW: Final = 2**64 - 1


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
        #: Whether spans are recorded at all.
        self.on = False

    def switch_on(self, service: str, sampler: Sampler, sink: Callable[[Recorded], None]) -> None:
        """Record what `sampler` decides on and hand each finished span to `sink`, which may be called by any thread."""
        self.service = service
        self._sampler = sampler
        self.asks_parent = isinstance(sampler, ParentBased)
        self._bound = _bound(sampler)
        self._sink = sink
        self.on = True

    def switch_off(self) -> None:
        self._sampler = self._sink = None
        self.on = False

    def ended(self, span: Recorded) -> None:
        if self._sink is not None:
            self._sink(span)

    def may_record(self, parent: Span) -> bool:
        """Whether a child of `parent` may be recorded; where not, nobody need make its attributes."""
        if not self.on:
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
        above = known(current() if parent is None else parent)
        if self._sampler is None:
            return above or trace.INVALID_SPAN
        if above is not None and self.asks_parent and not above.sampled:
            return above
        if identity is not None:
            trace_id, span_id = identity
        elif above is None:
            # Ids are no secrets, and this generator is seeded anew in a forked process.
            bits = random.getrandbits(192)
            if self._bound is not None and bits >> 64 & _LOW >= self._bound:
                return Remote(f"00-{bits >> 64:032x}-{bits & _LOW:016x}-00")
            trace_id, span_id = f"{bits >> 64:032x}", f"{bits & _LOW:016x}"
        else:
            trace_id, span_id = above.trace, _new_id()
        if not (above is not None and self.asks_parent) and not self._chosen(above, trace_id, name, kind, attributes):
            return Remote(f"00-{trace_id}-{span_id}-00", above.tracestate if above else "")
        span = Recorded(self.ended, name, trace_id, span_id, start_ns or time.time_ns(), service or self.service)
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
        span = Recorded(self.ended, name, parent.trace, _new_id(), start_ns, parent.service)
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
    """A span as the current one of a `with`: what `trace.use_span` does, at a fraction of its price."""

    __slots__ = ("_attached", "_quiet", "_span")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        span = self._span
        self._quiet = unrecorded.set(span if type(span) is Remote else None)
        if type(span) is Recorded:
            self._attached: Token[Context] = attach(trace.set_span_in_context(span))
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        unrecorded.reset(self._quiet)
        if type(self._span) is not Recorded:
            return
        detach(self._attached)
        if isinstance(error, Exception):
            self._span.fail(error)
        self._span.end()


def _bound(sampler: Sampler) -> int | None:
    """What the SDK's own samplers compare a root's trace id with: asking them takes as long as all else in a root."""
    found = _ROOTS.match(sampler.get_description())
    if found is None or not isinstance(sampler, ParentBased):
        return None
    if found.group(2) is not None:
        return TraceIdRatioBased.get_bound_for_rate(float(found.group(2)))
    return 2**64 if found.group(1) == "AlwaysOnSampler" else 0


def _new_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"
