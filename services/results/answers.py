"""JSON answers, and the problems that OpenAPI describes for every route."""

import gzip
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import (
    DarkroomError,
    Forbidden,
    InvalidParameter,
    NotFound,
    RateLimited,
    StorageUnavailable,
    Unauthorized,
)
from shared.problems import described

#: Bytes of a document from which on compressing it costs less than sending it.
_WORTH_COMPRESSING: Final = 2000


def json_answer(document: object, status: int = 200) -> Response:
    """A document as JSON that no cache keeps: it changes by the millisecond."""
    return Response(msgspec.json.encode(document), status, {"Cache-Control": "no-store"}, "application/json")


def page_answer(request: Request, document: object) -> Response:
    """The same for what many rows are in, and what pages ask for again and again: compressed for who takes that."""
    answer = json_answer(document)
    answer.headers["Vary"] = "Accept-Encoding"
    if len(answer.body) >= _WORTH_COMPRESSING and "gzip" in request.headers.get("accept-encoding", ""):
        answer.body = gzip.compress(answer.body, compresslevel=1, mtime=0)
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Content-Length"] = str(len(answer.body))
    return answer


def problems(*errors: type[DarkroomError]) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route answers with: these, and those that every route has."""
    everywhere: tuple[type[DarkroomError], ...] = (
        *(NotFound, InvalidParameter, StorageUnavailable),
        *(Unauthorized, Forbidden, RateLimited),
    )
    return described(*everywhere, *(error for error in errors if error not in everywhere))
