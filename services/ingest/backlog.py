"""Refusing uploads while too much work waits or Redis is nearly full, instead of making everyone wait for longer."""

import time
from dataclasses import dataclass

from shared.backlog import memory_share, waiting
from shared.errors import Overloaded
from shared.scripts import RedisClient


@dataclass(slots=True)
class _Measured:
    waiting: int
    memory: float
    at: float


class Backlog:
    """Entries that wait in each upload stream: those unread and those in work.

    Measured at most every `interval` seconds and counted on in between. `limit` is in entries of one stream,
    `memory_limit` a share of Redis's maxmemory.
    """

    def __init__(self, redis: RedisClient, *, limit: int, memory_limit: float, interval: float) -> None:
        self._redis = redis
        self._limit = limit
        self._memory_limit = memory_limit
        self._interval = interval
        self._measured: dict[str, _Measured] = {}

    async def admit(self, stream: str, jobs: int = 1) -> None:
        """Raise Overloaded when `jobs` more entries are too many for `stream`."""
        measured = self._measured.get(stream)
        if measured is None or time.monotonic() - measured.at > self._interval:
            measured = _Measured(await waiting(self._redis, stream), await memory_share(self._redis), time.monotonic())
            self._measured[stream] = measured
        if measured.waiting + jobs > self._limit:
            raise Overloaded(f"{measured.waiting} images are waiting; at most {self._limit} may.", allowed=self._limit)
        if measured.memory > self._memory_limit:
            raise Overloaded("The queue's memory is nearly full; try again later.")

    def published(self, stream: str, jobs: int) -> None:
        """Count entries that were just added, until the next measurement does."""
        if stream in self._measured:
            self._measured[stream].waiting += jobs
