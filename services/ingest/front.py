"""The door of the service: uploads go straight to their route, all other requests through the web application.

Uploads are what must be quick: the layers of a web framework would cost as much as all the rest of a small upload.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingest.metrics import Metrics
from services.ingest.upload_route import UPLOAD_PATH, UploadRoute
from shared.errors import DarkroomError


class Front:
    """The ASGI app behind the guards."""

    def __init__(self, uploads: UploadRoute, web: ASGIApp, metrics: Metrics) -> None:
        self._uploads = uploads
        self._web = web
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_upload(scope):
            response = await self._uploads.answer(Request(scope, receive, send))
            await response(scope, receive, send)
        else:
            await self._web(scope, receive, send)

    def refused(self, scope: Scope, error: DarkroomError) -> None:
        """A guard refused a request before it came here."""
        if _is_upload(scope):
            self._metrics.uploads.labels(error.code).inc()


def _is_upload(scope: Scope) -> bool:
    return bool(scope["type"] == "http" and scope["path"] == UPLOAD_PATH and scope["method"] == "POST")
