"""One line per event on standard error: JSON for machines, colours on a terminal, never a secret.

Our own lines come from structlog, those of libraries from `logging`; both go through the same processors.
"""

import logging
import sys
from typing import Any, Final, Literal

import structlog

from shared import trace_context
from shared.redaction import redacted

#: One line per request or per read is noise at our rates; metrics and traces tell it better.
_NOISY: Final = ("uvicorn.error", "uvicorn.access", "httpx", "httpcore", "faststream")
_JSON: Final = (
    # Without local variables: they hold file contents and connection addresses.
    structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
    structlog.processors.JSONRenderer(),
)


def configure(service: str, *, level: str, log_format: Literal["auto", "json", "pretty"]) -> None:
    """Send all logging of this process to standard error; `auto` is pretty on a terminal and JSON elsewhere."""
    pretty = log_format == "pretty" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_service(service),
        with_span,
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Its methods below the level do nothing at all: a quiet service pays nothing for the lines it does not write.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    # Tracebacks without local variables, here too: those may hold secrets.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last: list[Any] = [console] if pretty else [*_JSON]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, without_secrets],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def with_span(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add `trace_id` and `span_id` of the current span, where the line does not bring its own."""
    if "trace_id" not in event:
        span = trace_context.known(trace_context.current())
        if span is not None:
            event["trace_id"], event["span_id"] = span.trace, span.span
    return event


def without_secrets(_logger: object, _method: str, line: Any) -> str:  # noqa: ANN401 - the line is text by now
    """The whole line with secrets made unreadable, wherever in it they are."""
    return redacted(line)


def _with_service(service: str) -> Any:  # noqa: ANN401 - structlog's processors are untyped callables
    def add(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event.setdefault("service", service)
        return event

    return add
