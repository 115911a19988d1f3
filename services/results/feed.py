"""What one client of server-sent events gets: a snapshot, then each change, then the end.

Subscribe first, then read the records, then drop what is older than what was sent. The id of an event is the version
of the partition up to which the client has seen everything: it resumes there, and may see a job again but never
misses one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import msgspec
from redis.exceptions import RedisError

from services.results.batches import counted
from services.results.listen import Subscription
from services.results.reader import Reader
from shared import records
from shared.records import JobRecord

#: Milliseconds after which a browser connects again.
RETRY_MS: Final = 1000
#: Seconds between two reads for one client, for each job that the first of them brought, and at most: a change that is
#: alone is sent at once, a hundred in a hurry are one read.
_PACE: Final = 0.0005
_LONGEST_PACE: Final = 0.02
#: Seconds before the records are looked for again while Redis is away.
_AWAY: Final = 0.5
KEEP_ALIVE: Final = b": keep-alive\n\n"


class Feed:
    """One stream of events for one job, or for one batch."""

    def __init__(
        self,
        reader: Reader,
        subscription: Subscription,
        *,
        owner: str,
        batch: str | None,
        job: str | None,
        trace_url: str | None,
    ) -> None:
        self._reader = reader
        self._subscription = subscription
        self._owner = owner
        self._batch = batch
        self._job = job
        self._trace_url = trace_url
        #: Version that was sent last, by job.
        self._sent: dict[str, int] = {}
        self._ended: set[str] = set()
        #: Jobs whose record is over: they ended before, and nothing more will be heard of them.
        self._gone: set[str] = set()
        self._last = 0
        #: Jobs that the last read brought.
        self._brought = 0

    async def events(self, *, last_id: int | None, keep_alive: float) -> AsyncIterator[bytes]:
        """The stream. `last_id` is the Last-Event-ID of a client that comes back; `keep_alive` is in seconds."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        since = last_id
        self._subscription.stale = True
        while not self._subscription.closed:
            started = time.monotonic()
            try:
                for event in await (self._snapshot(since) if self._subscription.stale else self._changes()):
                    yield event
                since = None
                if (ending := await self._ending()) is not None:
                    for event in ending:
                        yield event
                    return
            except RedisError:
                # A browser that is refused once never comes back, so the stream outlives an outage; then all records
                # are read again.
                self._subscription.stale = True
                yield KEEP_ALIVE
                await asyncio.sleep(_AWAY)
                continue
            if not await self._subscription.wait(keep_alive):
                yield KEEP_ALIVE
            pace = min(_PACE * self._brought, _LONGEST_PACE)
            await asyncio.sleep(max(0.0, started + pace - time.monotonic()))

    async def _snapshot(self, since: int | None) -> Iterator[bytes]:
        """Every job of the feed, or what changed after `since` if that is a version of this partition."""
        self._subscription.stale = False
        self._subscription.take()
        partition = self._subscription.partition
        version = await self._reader.version(partition)
        if version < self._last:
            # The server lost what it had: its versions begin anew.
            self._sent.clear()
            self._last = 0
        after = since if since is not None and since <= version else None
        job_ids = await self._job_ids()
        found = await self._reader.jobs(self._owner, partition, job_ids)
        self._gone = {job_id for job_id, record in zip(job_ids, found, strict=True) if record is None}
        return self._render(found, upto=version, after=after, tombstones=after is not None or self._job is not None)

    async def _changes(self) -> Iterator[bytes]:
        changed, heard = self._subscription.take()
        newer = [job_id for job_id, version in changed.items() if version > self._sent.get(job_id, 0)]
        found = await self._reader.jobs(self._owner, self._subscription.partition, newer)
        return self._render(found, upto=heard, after=None, tombstones=True)

    def _render(
        self, found: Sequence[JobRecord | None], *, upto: int, after: int | None, tombstones: bool
    ) -> Iterator[bytes]:
        """The events of what is news to the client, in the order of the changes; made one by one as they are sent."""
        self._brought = len(found)
        for record in sorted((record for record in found if record is not None), key=lambda record: record.version):
            if record.terminal:
                self._ended.add(record.id)
            else:
                self._ended.discard(record.id)
            if record.version <= self._sent.get(record.id, 0):
                continue
            self._sent[record.id] = record.version
            if (after is not None and record.version <= after) or (record.state == "deleted" and not tombstones):
                continue
            # A record may be ahead of what was heard; another one between the two has yet to be sent.
            self._last = max(self._last, min(record.version, upto))
            yield self._event(record)

    async def _ending(self) -> list[bytes] | None:
        """What is said at the end, once all that is to come has come and was sent; none before."""
        if self._job is not None:
            return [self._end()] if self._job in self._ended or self._job in self._gone else None
        batch = await self._reader.batch_in(self._subscription.partition, self._batch or "")
        if batch is None:
            return [self._end()]
        if not batch.complete:
            return None
        if len(self._ended | self._gone) >= batch.total:
            return [self._end(await counted(self._reader, batch))]
        # Either a change is still on its way here, or a record went meanwhile: look again at the next turn.
        self._subscription.stale = True
        return None

    async def _job_ids(self) -> list[str]:
        if self._job is not None:
            return [self._job]
        batch = await self._reader.batch_in(self._subscription.partition, self._batch or "")
        return await self._reader.batch_job_ids(batch) if batch else []

    def _event(self, record: JobRecord) -> bytes:
        document = msgspec.json.encode(records.document(record, trace_url=self._trace_url))
        return b"id: %d\ndata: %b\n\n" % (self._last, document)

    def _end(self, completed: dict[str, Any] | None = None) -> bytes:
        """The end, with the document of a batch that is complete: to every event before it belongs a job."""
        about = {"job": self._job} if self._job is not None else {"batch": self._batch, **(completed or {})}
        return b"id: %d\nevent: end\ndata: %b\n\n" % (self._last, msgspec.json.encode(about))


def last_event_id(header: str | None) -> int | None:
    """The version in a Last-Event-ID header; none for what is none."""
    return int(header) if header is not None and header.isascii() and header.isdigit() and len(header) < 19 else None
