"""JSON answers, and how OpenAPI describes those that are not JSON or not a success."""

from typing import Any, Final

import msgspec
from starlette.responses import Response

from services.results.models import Problem
from shared.errors import DarkroomError, NotFound, StorageUnavailable

_TEXTS: Final = {404: "Not found, or another owner's.", 503: "Redis or the blob store is away; try again."}


def json_answer(document: object, status: int = 200) -> Response:
    """A document as JSON that no cache keeps: it changes by the millisecond."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(msgspec.json.encode(document), status, headers, "application/json")


def problems(*errors: type[DarkroomError]) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route answers with: these, not found, and storage away."""
    codes: dict[int, list[str]] = {}
    every: tuple[type[DarkroomError], ...] = (NotFound, StorageUnavailable, *errors)
    for error in every:
        codes.setdefault(error.status, []).append(error.code)
    return {
        status: {
            "description": f"{_TEXTS.get(status, '')} Code: {', '.join(names)}.".strip(),
            "model": Problem,
            "content": {"application/problem+json": {}},
        }
        for status, names in codes.items()
    }
