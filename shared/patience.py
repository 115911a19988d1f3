"""A bound on how long tasks wait, kept by one timer for all of them."""

import asyncio
import math
from collections.abc import Awaitable
from typing import Any, TypeVar

_T = TypeVar("_T")


class Patience:
    """Bounds a wait to `seconds`, and at most a second or a quarter of them more. For one event loop.

    `asyncio.timeout` sets a timer for each wait, 16 µs with the rest of what it does: more than a small call to Redis
    takes otherwise, and a tenth of a small upload. Here one timer ticks while anybody waits, and ticks are counted. So
    a loop that was held up, and finds the answer and the end of the time when it goes on, takes the answer.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._pause = min(1.0, seconds / 4)
        #: Ticks that a wait outlasts: the first may come at once.
        self._most = math.ceil(seconds / self._pause) + 1
        self._tick = 0
        #: The last tick of each task that waits.
        self._waiting: dict[asyncio.Task[Any], int] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, awaited: Awaitable[_T]) -> _T:
        """What `awaited` gives; raises TimeoutError. A task waits for one thing at a time."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self._waiting[task] = self._tick + self._most
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
        self._tick += 1
        for task, last in self._waiting.items():
            if last <= self._tick and task not in self._late:
                self._late.add(task)
                task.cancel()
        again = bool(self._waiting)
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._look) if again else None
