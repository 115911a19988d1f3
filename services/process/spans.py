"""The spans of one image in the process service: one for the entry, one per step, one for the event that follows.

Names and attributes follow OpenTelemetry's messaging conventions; the steps carry the times that the pool child
measured.
"""

from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from services.process.orders import Order
from services.process.request import Report
from shared import keys, telemetry
from shared.events import Failure

_UPLOADED: Final = {False: "image.uploaded", True: "image.uploaded.bulk"}


def begin(order: Order) -> Span:
    """The span of work on one entry, child of what published it. Costs next to nothing when nobody records."""
    stream = _UPLOADED[order.source.bulk]
    return telemetry.tracer.start_span(
        f"{stream} process",
        context=order.context,
        kind=SpanKind.CONSUMER,
        attributes={
            "messaging.system": "redis",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": stream,
            "messaging.destination.partition.id": str(order.source.partition),
            "messaging.consumer.group.name": keys.PROCESS_GROUP,
            "messaging.message.id": order.entry.id,
            "darkroom.job.id": order.job_id,
            "darkroom.job.run": order.upload.run,
            "darkroom.attempt": order.attempt,
        },
    )


def steps(span: Span, report: Report) -> None:
    """A child span for each step that the report tells of, with its own times."""
    if not span.is_recording():
        return
    context = trace.set_span_in_context(span, Context())
    for step in report.steps:
        child = telemetry.tracer.start_span(step.name, context=context, start_time=step.start_ns)
        child.end(end_time=step.end_ns)


def publish(span: Span, order: Order) -> tuple[str, str]:
    """`traceparent` and `tracestate` for the event that follows from this entry."""
    if not span.is_recording():
        return telemetry.fields_of(order.context)
    context = trace.set_span_in_context(span, Context())
    producer = telemetry.tracer.start_span(
        "image.progress publish",
        context=context,
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "redis",
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": "image.progress",
            "messaging.destination.partition.id": str(order.source.partition),
            "darkroom.job.id": order.job_id,
        },
    )
    fields = telemetry.fields_of(trace.set_span_in_context(producer, Context()))
    producer.end()
    return fields


def end(span: Span, error: Failure | None = None) -> None:
    """Close the span of an entry, as an error when its job failed."""
    if error is not None:
        span.set_attribute("error.type", error.code)
        span.set_status(Status(StatusCode.ERROR, error.message))
    span.end()
