"""POST /v1/images as HTTP sees it: counted, and answered whatever happens."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.ingest.metrics import Metrics
from services.ingest.submit import Uploads
from shared import problems, trace_context
from shared.errors import DarkroomError

log = structlog.get_logger()

UPLOAD_PATH: Final = "/v1/images"
#: What nginx made customary for a client that went away before its answer; it is never sent.
_CLIENT_GONE: Final = 499


class UploadRoute:
    """Answers uploads; raises nothing."""

    def __init__(self, uploads: Uploads, metrics: Metrics, *, ours: Callable[[], Awaitable[None]]) -> None:
        """`ours` raises what keeps this service from taking anything at present."""
        self._ours = ours
        self._uploads = uploads
        self._metrics = metrics

    async def answer(self, request: Request) -> Response:
        """The 202, or a problem document."""
        response, outcome = await self._outcome(request)
        self._metrics.uploads.labels(outcome).inc()
        return response

    async def _outcome(self, request: Request) -> tuple[Response, str]:
        try:
            await self._ours()
            return await self._uploads.accept(request)
        except DarkroomError as error:
            refused = error
        except RedisError as error:
            refused = problems.from_redis(error) or _fault(error)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_GONE), "disconnected"
        except Exception as error:  # noqa: BLE001 - the last guard: whatever it is, the client gets an answer
            refused = _fault(error)
        return problems.answer(refused), refused.code


def _fault(error: Exception) -> DarkroomError:
    log.error("upload failed", exc_info=error)
    trace_context.current().record_exception(error)
    return DarkroomError("Something went wrong on our side.")
