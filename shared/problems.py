"""Every error of an HTTP service, as a problem document (RFC 9457) with a code.

A document has `type`, `title`, `status`, `detail` and `code`, and what the error adds, `allowed` for example. Status
429 and 503 come with Retry-After.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from redis import exceptions as redis_errors
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from shared import semantics, trace_context
from shared.errors import DarkroomError, InvalidParameter, Overloaded, StorageUnavailable, every_error
from shared.outage import passes

MEDIA_TYPE: Final = "application/problem+json"
#: Seconds after which a client may try again.
RETRY_AFTER: Final = 1
_RETRIED: Final = (429, 503)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: How to say who one is (RFC 6750, 3).
_CHALLENGE: Final = 'Bearer realm="darkroom"'

_TITLES: Final = {404: ("not_found", "Not found"), 405: ("method_not_allowed", "Method not allowed")}


class Problem(BaseModel):
    """What went wrong (RFC 9457), with a code that programs read."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/docs#not_found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no such job.",
                    "code": "not_found",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str


def described(*errors: type[DarkroomError]) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the problem documents that a route answers with, one response for each status."""
    by_status: dict[int, list[type[DarkroomError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    schema = {"$ref": "#/components/schemas/Problem"}
    retry = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return {
        status: {
            "description": "; ".join(f"`{error.code}`: {error.title.lower()}" for error in group),
            "content": {MEDIA_TYPE: {"schema": schema, "examples": {error.code: _named(error) for error in group}}},
            **({"headers": retry} if status in _RETRIED else {}),
        }
        for status, group in by_status.items()
    }


def examples() -> dict[str, dict[str, Any]]:
    """The component examples that `described` refers to: one of each error there is."""
    return {
        error.code: {
            "summary": error.title,
            "value": {
                "type": f"/docs#{error.code}",
                "title": error.title,
                "status": error.status,
                "detail": f"{error.title}.",
                "code": error.code,
            },
        }
        for error in every_error()
    }


def _named(error: type[DarkroomError]) -> dict[str, str]:
    return {"$ref": f"#/components/examples/{error.code}"}


def install(app: Starlette) -> None:
    """Answer everything that goes wrong in `app` as a problem document."""
    app.add_exception_handler(DarkroomError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(redis_errors.RedisError, _redis)
    app.add_exception_handler(Exception, _unknown)


def answer(error: DarkroomError) -> Response:
    """The answer for one error, whose code the span of the request then has."""
    trace_context.current().set_attribute(semantics.CODE, error.code)
    headers: dict[str, str] = {}
    if error.status in _RETRIED:
        headers["Retry-After"] = str(error.details.get("retry_after", RETRY_AFTER))
    if error.status == 401:
        headers["WWW-Authenticate"] = _CHALLENGE
    return _document(error.status, error.code, error.title, error.message, error.details, headers)


def from_redis(error: redis_errors.RedisError) -> DarkroomError | None:
    """The error that users see for one of Redis's; none when it is a fault of ours."""
    if isinstance(error, redis_errors.OutOfMemoryError):
        return Overloaded("The queue is out of memory; try again later.")
    if passes(error):
        return StorageUnavailable("Redis did not answer; nothing was accepted.")
    return None


def _document(
    status: int,
    code: str,
    title: str,
    detail: str,
    details: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = {
        "type": f"/docs#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **(details or {}),
    }
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, DarkroomError)  # noqa: S101 - Starlette's handlers are typed for any exception
    return answer(error)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - see above
    return answer(_first(error.errors()))


def _first(faults: Sequence[dict[str, Any]]) -> InvalidParameter:
    """The first fault that pydantic found, in one sentence. The input is not repeated."""
    fault = faults[0]
    where = ".".join(str(part) for part in fault["loc"][1:]) or "body"
    return InvalidParameter(f"{where}: {fault['msg']}.", parameter=where)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - see above
    code, title = _TITLES.get(error.status_code, ("invalid_request", "Invalid request"))
    detail = {404: "There is nothing at this address.", 405: "This address does not take this method."}.get(
        error.status_code, str(error.detail)
    )
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods_at(request))
    return _document(error.status_code, code, title, detail, headers=headers)


def _methods_at(request: Request) -> list[str]:
    """What the address of a request takes (RFC 9110, 10.2.1). A route knows its own methods, not its neighbours'."""
    routes = request.app.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _redis(_: Request, error: Exception) -> Response:
    assert isinstance(error, redis_errors.RedisError)  # noqa: S101 - see above
    known = from_redis(error)
    if known is None:
        raise error
    return answer(known)


async def _unknown(_: Request, __: Exception) -> Response:
    # The server logs the traceback: Starlette raises the exception again once this answer is on its way.
    return answer(DarkroomError("Something went wrong on our side."))
