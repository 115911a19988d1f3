"""Who works on the streams, and what each of them has in work at this moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from shared import keys
from shared.entries import Entry, Source
from shared.errors import InvalidEvent
from shared.events import decode_uploaded
from shared.records import timestamp
from shared.scripts import RedisClient

#: Workers that one look tells of.
_MOST_WORKERS: Final = 200
#: Entries of one worker that one look reads, and of all of them.
_MOST_OF_ONE: Final = 16
_MOST_OF_ALL: Final = 400


@dataclass(frozen=True, slots=True)
class Work:
    """An entry that a worker has read. `since` is None while it waits for one of the worker's children."""

    job: str | None
    owner: str
    since: str | None
    attempt: int

    def document(self, owner: str) -> dict[str, Any]:
        """What one owner may see: that there is work, but not of which job of somebody else."""
        job = self.job if self.owner == owner else None
        return {"job": job, "since": self.since, "attempt": self.attempt}


@dataclass(slots=True)
class Worker:
    """One consumer of a group, over all its streams. `idle` is ms since it last asked for or renewed anything."""

    name: str
    group: str
    idle: int
    pending: int
    work: list[Work]

    def document(self, owner: str) -> dict[str, Any]:
        work = [one.document(owner) for one in self.work]
        first = next((one for one in work if one["job"]), work[0] if work else {"job": None, "since": None})
        return {
            "name": self.name,
            "service": self.group,
            "state": "processing" if self.pending else "idle",
            "job": first["job"],
            "since": first["since"],
            "pending": self.pending,
            "work": work,
        }


class Workers:
    """Looks at the consumers of streams; those silent for `silent_ms` are not alive."""

    def __init__(self, redis: RedisClient, *, silent_ms: int) -> None:
        self._redis = redis
        self._silent_ms = silent_ms

    async def look(self, sources: Iterable[Source]) -> list[Worker]:
        """Everyone alive, by group and name, with what the workers of the process service have in work."""
        found: dict[tuple[str, str], Worker] = {}
        busy: list[tuple[Worker, Source]] = []
        for source in sources:
            for name, pending, idle in await self._consumers(source):
                worker = found.setdefault((source.group, name), Worker(name, source.group, idle, 0, []))
                worker.idle = min(worker.idle, idle)
                worker.pending += pending
                if pending and source.group == keys.PROCESS_GROUP:
                    busy.append((worker, source))
        alive = [worker for _, worker in sorted(found.items()) if worker.idle <= self._silent_ms][:_MOST_WORKERS]
        shown = {id(worker) for worker in alive}
        await self._fill([(worker, source) for worker, source in busy if id(worker) in shown])
        return alive

    async def _consumers(self, source: Source) -> list[tuple[str, int, int]]:
        """Name, pending entries and idle time (ms) of each consumer."""
        if source.group == keys.HOOKS_GROUP:
            return []
        try:
            found: Any = await self._redis.xinfo_consumers(source.stream, source.group)
        except ResponseError:
            # The stream or its group is not there yet.
            return []
        return [
            (info["name"].decode(), int(info["pending"]), int(info["idle"]))
            for info in found
            if info["name"] != keys.RELEASED.encode()
        ]

    async def _fill(self, busy: Sequence[tuple[Worker, Source]]) -> None:
        """Read what these have in work, the longest at it first; three round trips for all of them."""
        pipeline = self._redis.pipeline(transaction=False)
        for worker, source in busy:
            pipeline.xpending_range(source.stream, source.group, "-", "+", _MOST_OF_ONE, consumername=worker.name)
        pending = [
            (worker, source, entry)
            for (worker, source), entries in zip(busy, await pipeline.execute(), strict=True)
            for entry in entries
        ][:_MOST_OF_ALL]
        for _, source, entry in pending:
            pipeline.xrange(source.stream, entry["message_id"], entry["message_id"])
        entries = await pipeline.execute()
        uploads = [_upload(source, found) for (_, source, _), found in zip(pending, entries, strict=True)]
        for (_, source, _), (job, _) in zip(pending, uploads, strict=True):
            pipeline.hget(keys.job(source.partition, job or ""), "started")
        started = await pipeline.execute()
        for (worker, _, entry), (job, owner), since in zip(pending, uploads, started, strict=True):
            attempt = int(entry["times_delivered"])
            worker.work.append(Work(job, owner, timestamp(int(since or 0)), attempt))
        for worker, _ in busy:
            worker.work.sort(key=lambda work: (work.since is None, work.since or ""))
            del worker.work[_MOST_OF_ONE:]


def _upload(source: Source, found: Any) -> tuple[str | None, str]:  # noqa: ANN401 - as redis-py gives it
    """The job that an entry asks for and its owner; no job where the entry is gone or no event."""
    if not found:
        return None, ""
    entry = Entry(found[0][0].decode(), found[0][1])
    try:
        upload = decode_uploaded(entry.fields, partition=source.partition, entry_id=entry.id, bulk=source.bulk)
    except InvalidEvent:
        return None, ""
    return upload.job_id, upload.owner
