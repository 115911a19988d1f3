"""The operator's view: what waits in the streams, who works, how fast, and what went wrong."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.results.workers import Workers
from shared import groups, keys
from shared.entries import Source
from shared.groups import Backlog
from shared.scripts import RedisClient

#: Seconds that one look is good for, however many ask.
_FRESH: Final = 1.0
#: Tallies that the rates and the errors are made from.
_RATE_TALLIES: Final = 6
_ERROR_TALLIES: Final = 60
#: Tallies that are still kept, the one of now included.
_TALLIES: Final = keys.TALLY_TTL // keys.TALLY_SPAN


class Overview:
    """Looks at the streams of all partitions."""

    def __init__(self, redis: RedisClient, *, partitions: int, lease: float) -> None:
        self._redis = redis
        self._partitions = partitions
        self._workers = Workers(redis, silent_ms=int(3 * lease * 1000))
        self._lock = asyncio.Lock()
        self._looked = 0.0
        self._document: dict[str, Any] = {}

    def sources(self) -> list[Source]:
        """Every stream with the group of ours that reads it."""
        return [source for partition in range(self._partitions) for source in _sources(partition)]

    async def backlogs(self) -> list[tuple[Source, Backlog]]:
        return [(source, await groups.backlog(self._redis, source)) for source in self.sources()]

    async def dead_letters(self) -> list[int]:
        """How many there are in each partition."""
        return [int(await self._redis.xlen(keys.dead(partition))) for partition in range(self._partitions)]

    async def document(self, owner: str) -> dict[str, Any]:
        """The document of the HTTP interface, at most a second old; it names only jobs of this owner."""
        async with self._lock:
            if time.monotonic() - self._looked > _FRESH:
                self._document = await self._look()
                self._looked = time.monotonic()
            seen = self._document
        return {**seen, "workers": [worker.document(owner) for worker in seen["workers"]]}

    async def _look(self) -> dict[str, Any]:
        tallies, covered = await self._tallies()
        return {
            "streams": [
                {
                    "name": source.stream,
                    "group": source.group,
                    "length": backlog.length,
                    "lag": backlog.lag,
                    "pending": backlog.pending,
                    "oldest_ms": backlog.oldest_ms,
                }
                for source, backlog in await self.backlogs()
            ],
            "workers": await self._workers.look(self.sources()),
            "rates": _rates(tallies, covered),
            "history": {
                "span_s": keys.TALLY_SPAN,
                "done": [tally["done"] for tally in tallies],
                "failed": [tally["failed"] for tally in tallies],
            },
            "errors": _errors(tallies),
            "dead_letters": sum(await self.dead_letters()),
        }

    async def _tallies(self) -> tuple[list[Counter[str]], float]:
        """What happened in each of the last tallies, oldest first, and how many seconds the last one covers by now."""
        now = time.time()
        pipeline = self._redis.pipeline(transaction=False)
        for back in reversed(range(_TALLIES)):
            for partition in range(self._partitions):
                pipeline.hgetall(keys.tally(partition, now - back * keys.TALLY_SPAN))
        tallies: list[Counter[str]] = [Counter() for _ in range(_TALLIES)]
        for number, fields in enumerate(await pipeline.execute()):
            for name, count in fields.items():
                tallies[number // self._partitions][name.decode()] += int(count)
        return tallies, now % keys.TALLY_SPAN


def _rates(tallies: Sequence[Counter[str]], covered: float) -> dict[str, float]:
    """Jobs per second over the last minute."""
    recent = _sum(tallies[-_RATE_TALLIES - 1 :])
    seconds = _RATE_TALLIES * keys.TALLY_SPAN + covered
    return {f"{name}_per_s": round(recent[name] / seconds, 3) for name in ("done", "failed")}


def _errors(tallies: Sequence[Counter[str]]) -> dict[str, int]:
    """Failed jobs of the last ten minutes by code, the most frequent first."""
    codes = _sum(tallies[-_ERROR_TALLIES - 1 :]).most_common()
    return {name[5:]: count for name, count in codes if name.startswith("code:")}


def _sum(tallies: Iterable[Counter[str]]) -> Counter[str]:
    return sum(tallies, Counter[str]())


def _sources(partition: int) -> list[Source]:
    return [
        Source(keys.uploaded(partition), keys.PROCESS_GROUP, partition),
        Source(keys.uploaded(partition, bulk=True), keys.PROCESS_GROUP, partition, bulk=True),
        Source(keys.progress(partition), keys.RESULTS_GROUP, partition),
        Source(keys.hooks(partition), keys.HOOKS_GROUP, partition),
    ]
