"""Times and spans of HTTP requests, by the template of their route.

Every request is timed. A span is made for those that change something and those that come with a trace: pages that
ask for states again and again would bury the traces that people look for.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import semantics, telemetry

#: Methods that routes of ours have; every other one is counted as `_OTHER`, as OpenTelemetry says.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER: Final = "_OTHER"
#: What nginx made customary for a client that went away before its answer.
_CLIENT_GONE: Final = 499


class HttpTelemetry:
    """An ASGI app around another one. `durations` is `shared.metrics.HTTP_DURATION`."""

    def __init__(self, app: ASGIApp, durations: Histogram, service: str) -> None:
        self._app = app
        self._durations = durations
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        with self._span(scope, method) as span:
            try:
                await self._app(scope, receive, noting)
            except BaseException:
                status = status or 500
                raise
            finally:
                status = status or _CLIENT_GONE
                route: str = getattr(scope.get("route"), "path_format", "")
                observe(self._durations, method, route, status, time.perf_counter() - started)
                if route:
                    span.update_name(f"{method} {route}")
                    span.set_attribute(semantics.ROUTE, route)
                span.set_attribute(semantics.STATUS, status)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)

    def _span(self, scope: Scope, method: str) -> AbstractContextManager[Span]:
        parent = telemetry.span_of_headers(scope["headers"])
        if not telemetry.tracer.on or (parent is INVALID_SPAN and method in _READING):
            return nullcontext(INVALID_SPAN)
        return telemetry.tracer.running(
            method,
            parent=parent,
            kind=SpanKind.SERVER,
            attributes={semantics.METHOD: method, semantics.PATH: scope["path"], semantics.SCHEME: scope["scheme"]},
            service=self._service,
        )


def observe(durations: Histogram, method: str, route: str, status: int, seconds: float) -> None:
    """Count one request; what no route answered is counted together."""
    known = method if method in _METHODS else _OTHER
    durations.labels(known, route or "none", str(status)).observe(seconds)
