"""JSON answers, and the problems that OpenAPI describes for every route."""

from typing import Any

import msgspec
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


def json_answer(document: object, status: int = 200) -> Response:
    """A document as JSON that no cache keeps: it changes by the millisecond."""
    return Response(msgspec.json.encode(document), status, {"Cache-Control": "no-store"}, "application/json")


def problems(*errors: type[DarkroomError]) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route answers with: these, and those that every route has."""
    everywhere: tuple[type[DarkroomError], ...] = (
        *(NotFound, InvalidParameter, StorageUnavailable),
        *(Unauthorized, Forbidden, RateLimited),
    )
    return described(*everywhere, *(error for error in errors if error not in everywhere))
