"""The door of the service: uploads go straight to their handler, all other requests to the web application.

Uploads are what must be quick: the layers of a web framework would cost as much as all the rest of a small upload.
"""

import time
from typing import Final

import structlog
from opentelemetry import propagate
from opentelemetry.trace import Span, SpanKind, StatusCode
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.ingest.metrics import Metrics
from services.ingest.submit import Uploads
from shared import problems, telemetry
from shared.errors import DarkroomError

log = structlog.get_logger()

UPLOAD_PATH: Final = "/v1/images"
#: What nginx made customary for a client that went away before its answer; it is never sent.
_CLIENT_GONE: Final = 499


class Front:
    """The ASGI app of the service. Counts every request by the template of its route, so that labels stay few."""

    def __init__(self, uploads: Uploads, web: ASGIApp, metrics: Metrics) -> None:
        self._uploads = uploads
        self._web = web
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._web(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        try:
            if scope["path"] == UPLOAD_PATH and scope["method"] == "POST":
                scope["darkroom.route"] = UPLOAD_PATH
                response = await self._upload(Request(scope, receive, send))
                status = response.status_code
                await response(scope, receive, send)
                return

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            await self._web(scope, receive, noting)
        finally:
            self._metrics.request(scope, status, time.perf_counter() - started)

    async def _upload(self, request: Request) -> Response:
        with telemetry.tracer.start_as_current_span(
            f"POST {UPLOAD_PATH}",
            context=propagate.extract(request.headers),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": "POST",
                "http.route": UPLOAD_PATH,
                "url.path": UPLOAD_PATH,
                "url.scheme": request.scope["scheme"],
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            response, outcome = await self._outcome(request, span)
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
        self._metrics.uploads.labels(outcome).inc()
        return response

    async def _outcome(self, request: Request, span: Span) -> tuple[Response, str]:
        try:
            return await self._uploads.accept(request)
        except DarkroomError as error:
            refused = error
        except RedisError as error:
            refused = problems.from_redis(error) or _fault(error, span)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_GONE), "disconnected"
        except Exception as error:  # noqa: BLE001 - the last guard: whatever it is, the client gets an answer
            refused = _fault(error, span)
        span.set_attribute("error.type", refused.code)
        return problems.problem(refused), refused.code


def _fault(error: Exception, span: Span) -> DarkroomError:
    log.error("upload failed", exc_info=error)
    span.record_exception(error)
    return DarkroomError("Something went wrong on our side.")
