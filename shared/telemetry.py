"""Tracing by the OpenTelemetry SDK, logging by structlog.

Traces are exported over OTLP/HTTP when the standard variables ask for it (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_TRACES_EXPORTER`, `OTEL_TRACES_SAMPLER`, …); otherwise spans cost next to nothing.
"""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, Literal

import structlog
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracer = trace.get_tracer("darkroom")
_provider: TracerProvider | None = None


def configure(service: str, *, level: str, log_format: Literal["auto", "json", "pretty"]) -> None:
    """Set up tracing and logging of this process, once, before anything is logged."""
    configure_logging(service, level=level, log_format=log_format)
    configure_tracing(service)


def configure_tracing(service: str) -> None:
    """Export spans when the OTEL_* variables name a receiver; otherwise leave tracing switched off."""
    global _provider  # noqa: PLW0603 - OpenTelemetry itself keeps one provider per process
    if _provider is not None or not _exporting():
        return
    # The exporter pulls in requests and protobuf; a process that exports nothing need not pay for them.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    _provider = TracerProvider(resource=Resource.create({"service.name": service, "service.namespace": "darkroom"}))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(_provider)


def flush() -> None:
    """Send the spans still held; called last at shutdown."""
    if _provider is not None:
        _provider.shutdown()


def context_of(fields: Mapping[bytes, bytes]) -> Context:
    """The trace context that an entry carries in `traceparent` and `tracestate`, empty when it carries none."""
    carrier = {
        name: fields[name.encode()].decode("ascii", "ignore")
        for name in ("traceparent", "tracestate")
        if name.encode() in fields
    }
    return propagate.extract(carrier, context=Context())


def fields_of(context: Context) -> tuple[str, str]:
    """`traceparent` and `tracestate` of a context, empty texts when there is no valid span in it."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context=context)
    return carrier.get("traceparent", ""), carrier.get("tracestate", "")


def trace_id(context: Context) -> str:
    """The trace id of a context as 32 hexadecimal digits, empty without one."""
    span = trace.get_current_span(context).get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else ""


def configure_logging(service: str, *, level: str, log_format: Literal["auto", "json", "pretty"]) -> None:
    """One structlog pipeline for our own lines and those of libraries, on standard error."""
    pretty = log_format == "pretty" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_service(service),
        _with_span,
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if pretty
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # One line per request or per read is noise at our rates; metrics and traces tell it better.
    for noisy in ("uvicorn.error", "uvicorn.access", "httpx", "httpcore", "faststream"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _exporting() -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(
        os.environ.get(name)
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
    )


def _with_service(service: str) -> Any:  # noqa: ANN401 - structlog's processors are untyped callables
    def add(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event.setdefault("service", service)
        return event

    return add


def _with_span(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event.setdefault("trace_id", f"{span.trace_id:032x}")
        event.setdefault("span_id", f"{span.span_id:016x}")
    return event
