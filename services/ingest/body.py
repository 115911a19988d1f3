"""The body of a request as it arrives, bounded in bytes and in patience."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from services.ingest.intake import too_many_bytes
from shared.errors import InvalidRequest

_T = TypeVar("_T")


def declared_length(request: Request) -> int | None:
    """Content-Length in bytes; none for a body of unknown length. Raises InvalidRequest."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest("Content-Length is not a number of bytes.")
    return int(text)


class Patience:
    """Bounds how long a task waits for something, to a second or a quarter of the bound, whichever is less.

    All who wait share one timer: one for each message would cost a small upload a tenth of what it takes in all.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._pause = min(1.0, seconds / 4)
        self._waiting: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, awaited: Awaitable[_T]) -> _T:
        """What `awaited` gives; raises TimeoutError. A task waits for one thing at a time."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self._waiting[task] = time.monotonic() + self.seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._look)
        try:
            return await awaited
        except asyncio.CancelledError:
            # Cancelled by this timer alone, and not by whoever stops the task as well.
            if task in self._late and not task.uncancel():
                raise TimeoutError from None
            raise
        finally:
            del self._waiting[task]
            self._late.discard(task)

    def _look(self) -> None:
        now = time.monotonic()
        for task, end in self._waiting.items():
            if end < now and task not in self._late:
                self._late.add(task)
                task.cancel()
        again = bool(self._waiting)
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._look) if again else None


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
