"""The operator's view: what waits in the streams, who works, how fast, and what went wrong."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from shared import groups, keys
from shared.entries import Entry, Source
from shared.errors import InvalidEvent
from shared.events import decode_uploaded
from shared.groups import Backlog
from shared.records import timestamp
from shared.scripts import RedisClient

#: Seconds that one look is good for, however many ask.
_FRESH: Final = 1.0
#: Tallies that the rates and the errors are made from.
_RATE_TALLIES: Final = 6
_ERROR_TALLIES: Final = 60
#: Workers of which one look tells what they work on.
_MOST_WORKERS: Final = 200
#: No job, of nobody, since never.
_NOTHING: Final = (None, None, None)


@dataclass(frozen=True, slots=True)
class Consumer:
    """One consumer of a group. `idle` is ms since it last asked for or renewed anything."""

    source: Source
    name: str
    pending: int
    idle: int


class Overview:
    """Looks at the streams of all partitions."""

    def __init__(self, redis: RedisClient, *, partitions: int, lease: float) -> None:
        self._redis = redis
        self._partitions = partitions
        self._alive_ms = int(3 * lease * 1000)
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
        return {**seen, "workers": [_shown(worker, owner) for worker in seen["workers"]]}

    async def _look(self) -> dict[str, Any]:
        recent, seconds = await self._tallied(_RATE_TALLIES)
        errors, _ = await self._tallied(_ERROR_TALLIES)
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
            "workers": await self._workers(),
            "rates": {
                "done_per_s": round(recent["done"] / seconds, 3),
                "failed_per_s": round(recent["failed"] / seconds, 3),
            },
            "errors": {name[5:]: count for name, count in errors.most_common() if name.startswith("code:")},
            "dead_letters": sum(await self.dead_letters()),
        }

    async def _tallied(self, number: int) -> tuple[Counter[str], float]:
        """What happened in the last tallies, and how many seconds they cover."""
        now = time.time()
        pipeline = self._redis.pipeline(transaction=False)
        for partition in range(self._partitions):
            for back in range(number + 1):
                pipeline.hgetall(keys.tally(partition, now - back * keys.TALLY_SPAN))
        total: Counter[str] = Counter()
        for fields in await pipeline.execute():
            for name, count in fields.items():
                total[name.decode()] += int(count)
        return total, number * keys.TALLY_SPAN + now % keys.TALLY_SPAN

    async def _workers(self) -> list[dict[str, Any]]:
        by_name: dict[tuple[str, str], list[Consumer]] = {}
        for source in self.sources():
            for consumer in await self._consumers(source):
                by_name.setdefault((source.group, consumer.name), []).append(consumer)
        workers = []
        for (group, name), consumers in sorted(by_name.items())[:_MOST_WORKERS]:
            if min(consumer.idle for consumer in consumers) > self._alive_ms:
                continue
            busy = next((consumer for consumer in consumers if consumer.pending), None)
            job, owner, since = await self._work(busy) if busy else _NOTHING
            workers.append(
                {
                    "name": name,
                    "service": group,
                    "state": "processing" if busy else "idle",
                    "job": job,
                    "owner": owner,
                    "since": since,
                }
            )
        return workers

    async def _consumers(self, source: Source) -> list[Consumer]:
        if source.group == keys.HOOKS_GROUP:
            return []
        try:
            found: Any = await self._redis.xinfo_consumers(source.stream, source.group)
        except ResponseError:
            # The stream or its group is not there yet.
            return []
        return [
            Consumer(source, info["name"].decode(), int(info["pending"]), int(info["idle"]))
            for info in found
            if info["name"] != keys.RELEASED.encode()
        ]

    async def _work(self, consumer: Consumer) -> tuple[str | None, str | None, str | None]:
        """A job that a worker has in work, whose, and since when; none for a consumer of another kind of event."""
        source = consumer.source
        if source.group != keys.PROCESS_GROUP:
            return _NOTHING
        pending: Any = await self._redis.xpending_range(
            source.stream, source.group, "-", "+", 1, consumername=consumer.name
        )
        entries: Any = await self._redis.xrange(source.stream, pending[0]["message_id"], count=1) if pending else []
        if not entries:
            return _NOTHING
        entry = Entry(entries[0][0].decode(), entries[0][1])
        try:
            upload = decode_uploaded(entry.fields, partition=source.partition, entry_id=entry.id, bulk=source.bulk)
        except InvalidEvent:
            return _NOTHING
        started: Any = await self._redis.hget(keys.job(source.partition, upload.job_id or ""), "started")
        return upload.job_id, upload.owner, timestamp(int(started or 0))


def _shown(worker: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """What one owner may see of a worker: that it works, but not on which job of somebody else."""
    shown = {name: value for name, value in worker.items() if name != "owner"}
    return shown if worker["owner"] == owner else {**shown, "job": None}


def _sources(partition: int) -> list[Source]:
    return [
        Source(keys.uploaded(partition), keys.PROCESS_GROUP, partition),
        Source(keys.uploaded(partition, bulk=True), keys.PROCESS_GROUP, partition, bulk=True),
        Source(keys.progress(partition), keys.RESULTS_GROUP, partition),
        Source(keys.hooks(partition), keys.HOOKS_GROUP, partition),
    ]
