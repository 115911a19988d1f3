"""Refusing uploads while too much work waits, or Redis or the blob store is nearly full: instead of making all wait."""

import time
from dataclasses import dataclass

from shared.backlog import memory_share, waiting
from shared.blobs import BlobStore
from shared.errors import Overloaded, StorageUnavailable
from shared.scripts import RedisClient


@dataclass(slots=True)
class _Measured:
    waiting: int
    memory: float
    #: Why nothing can be stored, if so.
    store: StorageUnavailable | None
    at: float


class Backlog:
    """Entries that wait in each upload stream: those unread and those in work.

    Measured at most every `interval` seconds and counted on in between. `limit` is in entries of one stream,
    `memory_limit` a share of Redis's maxmemory.
    """

    def __init__(
        self, redis: RedisClient, store: BlobStore, *, limit: int, memory_limit: float, interval: float
    ) -> None:
        self._redis = redis
        self._store = store
        self._limit = limit
        self._memory_limit = memory_limit
        self._interval = interval
        self._measured: dict[str, _Measured] = {}

    async def admit(self, stream: str, jobs: int = 1) -> None:
        """Raise Overloaded when `jobs` more entries are too many for `stream`, StorageUnavailable for a full store."""
        measured = self._measured.get(stream)
        if measured is None or time.monotonic() - measured.at > self._interval:
            measured = await self._measure(stream)
            self._measured[stream] = measured
        if measured.waiting + jobs > self._limit:
            raise Overloaded(f"{measured.waiting} images are waiting; at most {self._limit} may.", allowed=self._limit)
        if measured.memory > self._memory_limit:
            raise Overloaded("The queue's memory is nearly full; try again later.")
        if measured.store is not None:
            raise StorageUnavailable(measured.store.message)

    async def _measure(self, stream: str) -> _Measured:
        waits, memory = await waiting(self._redis, stream), await memory_share(self._redis)
        try:
            await self._store.check_room()
        except StorageUnavailable as error:
            return _Measured(waits, memory, error, time.monotonic())
        return _Measured(waits, memory, None, time.monotonic())

    def published(self, stream: str, jobs: int) -> None:
        """Count entries that were just added, until the next measurement does."""
        if stream in self._measured:
            self._measured[stream].waiting += jobs
