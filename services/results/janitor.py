"""The janitor: removes what is older than its retention, or more than its owner may keep.

Records of jobs end by their time to live; here go the index entries that they leave behind, the oldest finished jobs of
an owner with too many, old dead letters, and whole days of blobs. One janitor works at a time, whichever replica it is
in.
"""

import re
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from services.results.letters import Letters
from services.results.metrics import ResultsMetrics
from services.results.settings import ResultsSettings
from shared import keys, scripts
from shared.blobs import BlobStore, Kind
from shared.scripts import RedisClient

log = structlog.get_logger()

_LOCK: Final = "darkroom:janitor"
#: Seconds after which the lock of a janitor that died is free.
_LOCK_TTL: Final = 600.0
#: Index entries of one script call, and those that one round looks at per owner.
_CHUNK: Final = 500
_BUDGET: Final = 50_000
#: Seconds that the tombstone of a job stays that went before its time: events on their way must not bring it back.
_TOMBSTONE: Final = 600
#: Days that blobs are kept beyond the retention.
GRACE: Final = timedelta(days=2)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
#: What the sweep script answers for each job.
_OVER, _LIVE, _PURGED = -1, 0, 2


class Chunk(NamedTuple):
    """What the sweep script said of some jobs of an index, and when the first and the last of them were made (ms)."""

    results: list[int]
    first: float
    last: float


class _RoomyLock(Lock):
    """A lock that a full server gives as well: the janitor is who makes room there."""

    async def do_acquire(self, token: str | bytes) -> bool:
        take = scripts.load(cast("RedisClient", self.redis), "lock")
        return bool(await take(keys=[self.name], args=[token, int(_LOCK_TTL * 1000)]))


class Janitor:
    """One per replica; `once` does a round."""

    def __init__(
        self, redis: RedisClient, store: BlobStore, settings: ResultsSettings, metrics: ResultsMetrics
    ) -> None:
        self._redis = redis
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._sweep = scripts.load(redis, "sweep")
        self._letters = Letters(redis, partitions=settings.partitions)
        #: Where the next round goes on in an index that is too long for one.
        self._resume: dict[str, float] = {}

    async def once(self) -> None:
        """Do a round unless another replica is at it."""
        lock = self._redis.lock(_LOCK, timeout=_LOCK_TTL, blocking=False, lock_class=_RoomyLock)
        if not await lock.acquire():
            return
        try:
            await self._round()
        finally:
            try:
                await lock.release()
            except LockError:
                log.warning("the janitor took longer than its lock", seconds=_LOCK_TTL)

    async def _round(self) -> None:
        now = time.time()
        for partition in range(self._settings.partitions):
            async for owner in self._owners(partition):
                await self._by_age(partition, owner, now)
                await self._by_count(partition, owner)
            await self._dead_letters(partition, now)
        await self._blobs(now)

    async def _owners(self, partition: int) -> AsyncIterator[str]:
        async for raw in self._redis.sscan_iter(keys.owners(partition)):
            yield raw.decode() if isinstance(raw, bytes) else raw

    async def _by_age(self, partition: int, owner: str, now: float) -> None:
        """Take jobs whose record is over out of the index, which knows them as expired for as long as their blobs."""
        index = keys.index(partition, owner)
        latest = int(self._cutoff(now).timestamp() * 1000)
        looked_at = 0
        async for chunk in self._swept(partition, owner, self._resume.pop(index, 0.0), latest):
            self._count("index", chunk.results.count(_OVER))
            looked_at += len(chunk.results)
            if looked_at >= _BUDGET:
                self._resume[index] = chunk.last
                break

    async def _by_count(self, partition: int, owner: str) -> None:
        """Remove the oldest finished jobs of an owner who has more than `retention_jobs`."""
        index = keys.index(partition, owner)
        excess = int(await self._redis.zcard(index)) - self._settings.retention_jobs
        live = 0
        while excess > 0 and live < _BUDGET:
            found: Any = await self._redis.zrange(index, live, live + min(_CHUNK, excess) - 1)
            if not found:
                return
            results = await self._call(partition, owner, [member.decode() for member in found], _TOMBSTONE)
            self._count("jobs", results.count(_PURGED))
            live += results.count(_LIVE)
            excess -= len(results) - results.count(_LIVE)

    async def _oldest_needed(self, now: float) -> float:
        """When the oldest job was made or published that still waits, if that was long ago, else now; in seconds."""
        oldest = now
        for partition in range(self._settings.partitions):
            oldest = min(oldest, await self._oldest_unread(partition, now))
            async for owner in self._owners(partition):
                oldest = min(oldest, await self._oldest_live(partition, owner, now))
        return oldest

    async def _oldest_live(self, partition: int, owner: str, now: float) -> float:
        """When the oldest job was made that still waits, if that was long ago, else now; in seconds."""
        latest = int(self._cutoff(now).timestamp() * 1000)
        looked_at = 0
        async for chunk in self._swept(partition, owner, 0, latest):
            looked_at += len(chunk.results)
            if _LIVE in chunk.results or looked_at >= _BUDGET:
                return chunk.first / 1000
        return now

    async def _swept(self, partition: int, owner: str, first: float, last: float) -> AsyncIterator[Chunk]:
        """The jobs of an index made between two times (ms), oldest first; those whose record is over are gone then."""
        index = keys.index(partition, owner)
        kept = 0
        while True:
            found: Any = await self._redis.zrangebyscore(index, first, last, start=kept, num=_CHUNK, withscores=True)
            if not found:
                return
            results = await self._call(partition, owner, [member.decode() for member, _ in found], "")
            kept += len(results) - results.count(_OVER)
            yield Chunk(results, found[0][1], found[-1][1])

    async def _oldest_unread(self, partition: int, now: float) -> float:
        """When the oldest upload was published that is still in its stream, in seconds."""
        oldest = now
        for stream in (keys.uploaded(partition), keys.uploaded(partition, bulk=True)):
            first: Any = await self._redis.xrange(stream, count=1)
            if first:
                oldest = min(oldest, int(first[0][0].split(b"-")[0]) / 1000)
        return oldest

    async def _dead_letters(self, partition: int, now: float) -> None:
        oldest = int((now - self._settings.dead_letter_retention) * 1000)
        trimmed = int(await self._redis.xtrim(keys.dead(partition), minid=f"{oldest}-0", approximate=False))
        self._count("dead_letters", trimmed)

    async def _blobs(self, now: float) -> None:
        """Drop whole days of blobs; never an original that a job still waits for or a dead letter needs."""
        await self._drop("results", await self._due("results", now))
        due = await self._due("originals", now)
        if not due:
            return
        # A replay makes a job of a letter, a burial a letter of a job: looked at before and after, neither is missed.
        due = await self._without_letters(due)
        first_kept = _day_of(await self._oldest_needed(now))
        await self._drop("originals", await self._without_letters([day for day in due if day < first_kept]))

    async def _due(self, kind: Kind, now: float) -> list[str]:
        first_kept = _day_of(self._cutoff(now).timestamp())
        return [day for day in await self._store.days(kind) if _DAY.fullmatch(day) and day < first_kept]

    async def _without_letters(self, days: Sequence[str]) -> list[str]:
        needed = await self._letters.days_of_originals(days)
        return [day for day in days if day not in needed]

    async def _drop(self, kind: Kind, days: Sequence[str]) -> None:
        for day in days:
            dropped = await self._store.drop_day(kind, day)
            self._count(kind, dropped)
            log.info("dropped a day of blobs", kind=kind, day=day, blobs=dropped)

    def _cutoff(self, now: float) -> datetime:
        return datetime.fromtimestamp(now - self._settings.retention, UTC) - GRACE

    async def _call(self, partition: int, owner: str, job_ids: list[str], tombstone: int | str) -> list[int]:
        results: list[int] = await self._sweep(
            keys=[
                keys.owners(partition),
                keys.index(partition, owner),
                *(keys.job(partition, job_id) for job_id in job_ids),
            ],
            args=[owner, tombstone, *job_ids],
        )
        return results

    def _count(self, what: str, number: int) -> None:
        if number:
            self._metrics.purged.labels(what).inc(number)


def _day_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
