"""The spans of one image in the process service: one per attempt, in it one per step and one per event it publishes.

The identity of an attempt's span follows from its entry and number. So when a worker is killed, whose span is never
sent, its successor tells of the attempt in its place: the `started` event, which names that span as its cause, keeps
its parent, and the new attempt links the old one. A worker that lost its entry, or hands it back, keeps silent.
"""

from hashlib import blake2b
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode

from services.process.orders import Order
from services.process.request import Report
from shared import keys, semantics, telemetry, trace_context
from shared.errors import DarkroomError
from shared.events import Failure, ImageProgress
from shared.trace_context import Recorded

#: Steps of the pipeline whose work has a name of its own in traces.
_NAMES: Final = {"load": "fetch"}
#: Steps that take no time, told only where they were the last.
_SELDOM: Final = frozenset({"guard", "recall"})
#: The step whose filters tell of it one by one.
_CHAIN: Final = "filters"
_SILENT: Final = Failure("lost", "The worker of this attempt went silent or could not finish it.")


def begin(order: Order) -> Span:
    """The span of this attempt, child of what published the entry. Costs next to nothing when nobody records."""
    return _attempt(order, order.attempt, start_ns=0)


def tell_of_lost(order: Order, span: Span, since_ms: int) -> bool:
    """Tell of the attempt before this one if there was one: nobody else can. `since_ms` is when it began, 0 if unknown.

    Returns whether there is a span to send.
    """
    if order.attempt == 1 or not isinstance(span, Recorded):
        return False
    before = lost(order, since_ms)
    if isinstance(before, Recorded):
        before.end(max(before.start_ns, span.start_ns))
        span.add_link(before.get_span_context())
    return True


def lost(order: Order, since_ms: int = 0) -> Span:
    """The span of the attempt before this one, told in place of a worker that went silent; to be ended.

    It links the one before it, of which that worker told when it started.
    """
    number = order.attempt - 1
    begun = since_ms or int(order.entry.id.split("-")[0])
    span = _attempt(order, number, start_ns=begun * 1_000_000)
    if isinstance(span, Recorded):
        fail(span, _SILENT)
        span.set_attribute(semantics.ENDED, _SILENT.code)
        if number > 1:
            span.links = ((*_identity(order, number - 1), {}),)
    return span


def steps(span: Span, report: Report) -> None:
    """A child span for each step that the report tells of, with the times that the pool child measured."""
    if type(span) is not Recorded:
        return
    for step in report.steps:
        if step.name == _CHAIN or (step.name in _SELDOM and step is not report.steps[-1]):
            continue
        telemetry.tracer.add(_NAMES.get(step.name, step.name), span, step.start_ns, step.end_ns)
    for step in report.filters:
        about: semantics.Attributes = {semantics.FILTER: step.name}
        telemetry.tracer.add(f"filter {step.name}", span, step.start_ns, step.end_ns, about)


def publish(span: Span, order: Order, event: str) -> Span:
    """The span of publishing the event that ends a job (`event` is its type); to be ended when that is done."""
    if type(span) is not Recorded:
        return span
    attributes = semantics.publishing(semantics.PROGRESS, order.source.partition, order.job_id)
    attributes[semantics.EVENT] = event
    return telemetry.tracer.start(
        semantics.publish_name(semantics.PROGRESS), parent=span, kind=semantics.PRODUCER, attributes=attributes
    )


def buried(order: Order, span: Span, event: ImageProgress) -> Span:
    """End the attempt `span` of an entry that becomes a dead letter; returns the span of the event that tells so."""
    if not isinstance(span, Recorded):
        return span
    attributes = semantics.publishing(semantics.DEAD, order.source.partition, order.job_id)
    name = semantics.publish_name(semantics.DEAD)
    telemetry.tracer.start(name, parent=span, kind=semantics.PRODUCER, attributes=attributes).end()
    publishing = telemetry.tracer.start(
        semantics.publish_name(semantics.PROGRESS),
        parent=span,
        kind=semantics.PRODUCER,
        attributes={
            **semantics.publishing(semantics.PROGRESS, order.source.partition, order.job_id),
            semantics.EVENT: event.type,
        },
    )
    publishing.end()
    end(span, event)
    return publishing


def end(span: Span, event: ImageProgress) -> None:
    """Close the span of an attempt that was settled, as an error when its job failed."""
    if type(span) is Recorded:
        if event.cached:
            span.set_attribute(semantics.CACHED, value=True)
        if event.error is not None:
            fail(span, event.error)
        span.end()


def fail(span: Span, error: Failure) -> None:
    span.set_attribute(semantics.ERROR, error.code)
    span.set_status(StatusCode.ERROR, error.message)


def tried_again(error: DarkroomError) -> None:
    """Note in the current attempt that a fault of a child, or of a store that is there, is tried again in place."""
    trace.get_current_span().add_event(semantics.RETRY, {semantics.ERROR: error.code})


def cancelled(span: Span) -> None:
    """Close the span of an attempt whose job was cancelled or deleted: it has no successor."""
    span.set_attribute(semantics.ENDED, "cancelled")
    span.end()


def leave(span: Span) -> None:
    """Let go of an attempt that was not settled: who takes the entry over tells of it."""
    if type(span) is Recorded:
        span.discard()


def _attempt(order: Order, number: int, *, start_ns: int) -> Span:
    parent = order.parent
    if not telemetry.tracer.may_record(parent):
        return parent
    stream = semantics.uploaded(bulk=order.source.bulk)
    attributes = semantics.processing(stream, order.source.partition, keys.PROCESS_GROUP, order.entry.id, order.job_id)
    attributes[semantics.RUN] = order.upload.run
    attributes[semantics.ATTEMPT] = number
    return telemetry.tracer.start(
        semantics.process_name(stream),
        parent=parent,
        kind=semantics.CONSUMER,
        attributes=attributes,
        start_ns=start_ns,
        identity=_identity(order, number),
    )


def _identity(order: Order, number: int) -> tuple[str, str]:
    """Trace and span id of one attempt. The trace id is for entries whose publisher traces nothing."""
    own = trace_context.known(order.parent)
    entry = f"{order.source.stream}/{order.entry.id}"
    if own is None:
        trace_id = blake2b(entry.encode() + order.entry.fields.get(b"data", b""), digest_size=16).hexdigest()
    else:
        trace_id = own.trace
    return trace_id, blake2b(f"{trace_id}/{entry}/{number}".encode(), digest_size=8).hexdigest()
