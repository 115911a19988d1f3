"""The door of the service: uploads go straight to their route, all other requests through the web application.

Uploads are what must be quick: the layers of a web framework would cost as much as all the rest of a small upload.
"""

import time

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingest.metrics import Metrics
from services.ingest.upload_route import UPLOAD_PATH, UploadRoute
from shared.http_telemetry import HttpTelemetry


class Front:
    """The ASGI app of the service; counts every request."""

    def __init__(self, uploads: UploadRoute, web: ASGIApp, metrics: Metrics) -> None:
        self._uploads = uploads
        self._web = HttpTelemetry(web, metrics.requests, "ingest")
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._web(scope, receive, send)
        elif scope["path"] == UPLOAD_PATH and scope["method"] == "POST":
            await self._upload(scope, receive, send)
        else:
            await self._web(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        response = await self._uploads.answer(Request(scope, receive, send))
        await response(scope, receive, send)
        self._metrics.request("POST", UPLOAD_PATH, response.status_code, time.perf_counter() - started)
