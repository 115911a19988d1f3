"""The body of a request as it arrives, bounded in bytes and in patience."""

from collections.abc import AsyncGenerator

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from services.ingest.intake import too_many_bytes
from shared.errors import InvalidRequest
from shared.patience import Patience


def declared_length(request: Request) -> int | None:
    """Content-Length in bytes; none for a body of unknown length. Raises InvalidRequest."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest("Content-Length is not a number of bytes.")
    return int(text)


async def read_body(request: Request, *, limit: int, patience: Patience) -> AsyncGenerator[bytes, None]:
    """The pieces of the body, never empty ones.

    Raises TooManyBytes before anything is read when Content-Length is above `limit`, and later when a body of unknown
    length turns out to be; InvalidRequest when no byte comes for as long as `patience` is; ClientDisconnect.
    """
    declared = declared_length(request)
    if declared is not None and declared > limit:
        raise too_many_bytes(limit)
    total = 0
    more = True
    while more:
        message = await _next(request, patience)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        total += len(chunk)
        if total > limit:
            raise too_many_bytes(limit)
        if chunk:
            yield chunk


async def _next(request: Request, patience: Patience) -> Message:
    try:
        return await patience.wait(request.receive())
    except TimeoutError as error:
        raise InvalidRequest(f"No byte of the body came within {patience.seconds:g} s.") from error
