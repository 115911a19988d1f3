"""Tracing and logging of a process, set up once.

Traces are exported over OTLP/HTTP when the standard variables ask for it (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_TRACES_EXPORTER`, `OTEL_TRACES_SAMPLER`, …); otherwise spans cost next to nothing, and a trace context that comes
in is handed on as it came.
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Final, Literal

import structlog
from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.trace import Span

from shared import logs, trace_context
from shared.span_export import BATCH, DELAY, QUEUE, SpanSender
from shared.tracing import Tracer

tracer: Final = Tracer()
_sender: SpanSender | None = None

#: Bytes of a traceparent of version 00, and last digits of flags that do not say "sampled".
_LENGTH: Final = 55
_EVEN: Final = b"02468ace"
#: Seconds that the last spans may take at shutdown; a receiver that is away must not hold up a drain.
_LAST_SPANS: Final = 3.0
_SOON: Final = 1.0
_WRONG_PROTOCOLS: Final = frozenset({"grpc", "http/json"})


def configure(
    service: str,
    *,
    level: str,
    log_format: Literal["auto", "json", "pretty"],
    services: Iterable[str] = (),
) -> None:
    """Set up tracing and logging of this process, once, before anything is logged.

    `services` are further names under which parts of this process record spans.
    """
    logs.configure(service, level=level, log_format=log_format)
    configure_tracing(service, services)


def configure_tracing(service: str, services: Iterable[str] = ()) -> None:
    """Export spans when the OTEL_* variables name a receiver; otherwise leave tracing switched off."""
    global _sender  # noqa: PLW0603 - one exporter per process
    if _sender is not None or not _exporting():
        return
    # These pull in requests and protobuf; a process that exports nothing need not pay for them.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    # The exporter tells of each failed try; the sender says once that spans are not taken, and once that they are.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    # The SDK reads endpoint, headers, compression, certificates and time-out; its transport repeats what may be.
    client = OTLPSpanExporter()._client  # noqa: SLF001 - the public way in encodes spans of the SDK, see shared.otlp
    _sender = SpanSender(
        lambda data: client.export(data).success,
        {name: _resource(name) for name in (service, *services)},
        _scope(),
        queue=_number("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE),
        batch=_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH),
        delay=_number("OTEL_BSP_SCHEDULE_DELAY", int(DELAY * 1000)) / 1000,
    )
    # A provider is made for its sampler, which OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name.
    tracer.switch_on(service, TracerProvider(shutdown_on_exit=False).sampler, _sender.put)


def flush() -> None:
    """Send the spans still held and stop recording; called last at shutdown."""
    global _sender  # noqa: PLW0603
    if _sender is not None:
        tracer.switch_off()
        _sender.close(_LAST_SPANS)
        _sender = None


def dropped(service: str) -> int:
    """How many spans of one service this process has dropped so far."""
    return _sender.lost[service] if _sender is not None else 0


async def send_now() -> None:
    """Send the spans still held, before what this process may not survive; waits for a second at most."""
    if _sender is not None:
        await asyncio.to_thread(_sender.flush, _SOON)


def span_of(fields: Mapping[bytes, bytes]) -> Span:
    """The span that an entry names in `traceparent` and `tracestate`, the invalid one when it names none."""
    parent = fields.get(b"traceparent")
    if parent is None:
        return trace.INVALID_SPAN
    state = fields.get(b"tracestate")
    # Any byte is a character of Latin-1; what is none of a traceparent is told by its form.
    return trace_context.read(parent.decode("latin-1"), state.decode("latin-1") if state else "") or trace.INVALID_SPAN


def is_silent(fields: Mapping[bytes, bytes]) -> bool:
    """Whether an entry names no trace, or one that is not kept; told in a blink, from its flags alone."""
    parent = fields.get(b"traceparent")
    return parent is None or (len(parent) == _LENGTH and parent[-1] in _EVEN and tracer.asks_parent)


def span_of_headers(headers: Sequence[tuple[bytes, bytes]]) -> Span:
    """The span that the headers of a request (as in its ASGI scope) name, the invalid one when they name none."""
    for name, value in headers:
        if name == b"traceparent":
            # A list may come in several headers of that name.
            state = b",".join(given for other, given in headers if other == b"tracestate")
            return span_of({b"traceparent": value, b"tracestate": state})
    return trace.INVALID_SPAN


def trace_id(span: Span) -> str:
    """The trace id of a span that is kept, as 32 hexadecimal digits; empty without one or when it is not sampled."""
    own = trace_context.known(span)
    return own.trace if own is not None and own.sampled else ""


def ids(span: Span) -> dict[str, str]:
    """`trace_id` and `span_id` for a log line, nothing without a span."""
    own = trace_context.known(span)
    return {"trace_id": own.trace, "span_id": own.span} if own is not None else {}


def tell_of(span: Span, **about: str) -> None:
    """Make `span` the current one and `about` part of every log line, for the rest of this task."""
    structlog.contextvars.bind_contextvars(**about)
    if span.is_recording():
        attach(trace.set_span_in_context(span))


def _exporting() -> bool:
    environment = os.environ
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    named = {name.strip() for name in environment.get("OTEL_TRACES_EXPORTER", "").split(",")} - {""}
    if others := named - {"otlp", "none"}:
        logging.getLogger(__name__).warning("traces are sent by otlp only, not by %s", ", ".join(sorted(others)))
    if named and "otlp" not in named:
        return False
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    asked = bool(named) or any(environment.get(name) for name in names)
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if asked and protocol in _WRONG_PROTOCOLS:
        logging.getLogger(__name__).warning("traces are sent by http/protobuf only, not by %s", protocol)
    return asked


def _number(name: str, default: int) -> int:
    """A number of one or more from the environment; anything else is told and the default taken, as the SDK does."""
    text = os.environ.get(name, "")
    if text.isdecimal() and int(text) > 0:
        return int(text)
    if text:
        logging.getLogger(__name__).warning("%s must be a whole number above 0; taking %d", name, default)
    return default


def _resource(service: str) -> bytes:
    """An encoded Resource: who we are, and what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue  # noqa: PLC0415
    from opentelemetry.proto.resource.v1 import resource_pb2  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    ours = Resource({"service.name": service, "service.namespace": "darkroom", "service.version": version("darkroom")})
    told = ours.merge(Resource.create())
    attributes = {**told.attributes}
    if str(attributes.get("service.name", "")).startswith("unknown_service"):
        attributes["service.name"] = service
    pairs = [KeyValue(key=name, value=AnyValue(string_value=str(value))) for name, value in attributes.items()]
    return bytes(resource_pb2.Resource(attributes=pairs).SerializeToString())


def _scope() -> bytes:
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope  # noqa: PLC0415

    return bytes(InstrumentationScope(name="darkroom", version=version("darkroom")).SerializeToString())
