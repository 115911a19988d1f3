"""Times and spans of HTTP requests, by the template of their route.

Every request is timed. A span is made for those that change something and those that come with a trace: pages that
ask for states again and again would bury the traces that people look for.
"""

import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import semantics, telemetry
from shared.trace_context import Recorded

#: Methods that OpenTelemetry's conventions know; every other one is counted as `_OTHER`, as they say.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER: Final = "_OTHER"
#: What spans of such a request are called instead.
_UNKNOWN: Final = "HTTP"
#: What nginx made customary for a client that went away before its answer.
_CLIENT_GONE: Final = 499


class HttpTelemetry:
    """An ASGI app around another one, the outermost: what a guard refuses is a request too.

    `durations` is `shared.metrics.HTTP_DURATION`. `paths` are routes without parameters whose requests do not get to a
    router that would tell of them.
    """

    def __init__(self, app: ASGIApp, durations: Histogram, service: str, paths: Collection[str] = ()) -> None:
        self._app = app
        self._durations = durations
        self._service = service
        self._paths = frozenset(paths)

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
                route = self._route(scope)
                seconds = time.perf_counter() - started
                self._durations.labels(method, route or "none", str(status), _scheme(scope)).observe(seconds)
                if type(span) is Recorded:
                    _describe(span, method, route, status)

    def _route(self, scope: Scope) -> str:
        if scope["path"] in self._paths:
            return str(scope["path"])
        return getattr(scope.get("route"), "path_format", "")

    def _span(self, scope: Scope, method: str) -> AbstractContextManager[Span]:
        parent = telemetry.span_of_headers(scope["headers"])
        if parent is INVALID_SPAN and (method in _READING or not telemetry.tracer.on):
            return nullcontext(INVALID_SPAN)
        attributes = {semantics.METHOD: method, semantics.PATH: scope["path"], semantics.SCHEME: _scheme(scope)}
        if method == _OTHER:
            attributes[semantics.METHOD_GIVEN] = scope["method"]
        return telemetry.tracer.running(
            _named(method), parent=parent, kind=SpanKind.SERVER, attributes=attributes, service=self._service
        )


def _describe(span: Recorded, method: str, route: str, status: int) -> None:
    if route:
        span.update_name(f"{_named(method)} {route}")
        span.set_attribute(semantics.ROUTE, route)
    span.set_attribute(semantics.STATUS, status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
        if semantics.ERROR not in span.attributes:
            span.set_attribute(semantics.ERROR, span.attributes.get(semantics.CODE, str(status)))


def _named(method: str) -> str:
    return _UNKNOWN if method == _OTHER else method


def _scheme(scope: Scope) -> str:
    return "https" if scope["scheme"] == "https" else "http"
