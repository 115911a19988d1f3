"""Running a job again: from its dead letter, or from the record of a failed or cancelled job."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.trace import Span

from services.results.letters import Dead
from services.results.projection import created_at
from services.results.reader import Reader
from services.results.webhook import UNREADABLE, read
from shared import events, keys, scripts, semantics, telemetry, trace_context
from shared.entries import Entry, Source
from shared.errors import Expired, InvalidEvent, NotFailed, NotFound
from shared.events import ImageUploaded
from shared.records import JobRecord

log = structlog.get_logger()

#: What the script answers.
_PUBLISHED: Final = 1
_NO_LETTER: Final = 0
_DELETED: Final = -2
_NOT_FAILED: Final = -3


@dataclass(frozen=True, slots=True)
class Again:
    """What is to run again: the event, its stream, its dead letter (empty for a retry) and the trace before."""

    upload: ImageUploaded
    source: Source
    letter: str
    before: Span


class Replayer:
    """Publishes an upload event once more, as the next run of its job, with a trace that links the one before."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._replay = scripts.load(reader.redis, "replay")
        self._restore = scripts.load(reader.redis, "restore")

    async def put_back(self, dead: Dead) -> str | None:
        """Replay a dead letter; returns the job id, none when the entry names no job that could run again.

        Raises NotFound when somebody else took the letter, Expired when the job was deleted meanwhile, NotFailed when
        it is done or runs again without this letter.
        """
        source = _source(dead)
        try:
            upload = _upload(source, dead)
        except InvalidEvent:
            upload = None
        if upload is not None and upload.job_id is not None:
            record = await self._record(upload.owner, upload.job_id)
            again = Again(upload, source, dead.place.entry_id, telemetry.span_of(dead.fields))
            await self._run(again, record)
            return upload.job_id
        letter = dead.place.entry_id
        restored = await self._restore(
            keys=[keys.dead(source.partition), source.stream, keys.restored(source.partition, letter)],
            args=[letter, keys.RESTORED_TTL, _webhook(source, dead)],
        )
        if not restored:
            raise NotFound("There is no such dead letter.")
        log.info("dead letter put back as it was", stream=source.stream, letter=dead.id)
        return None

    async def retry(self, owner: str, job_id: str) -> str:
        """Run a failed or cancelled job again; returns its id. Raises NotFound, Expired or NotFailed."""
        record = await self._reader.named(owner, job_id)
        if record.state == "deleted" or record.upload is None:
            raise Expired("This job was deleted.")
        if record.state not in {"failed", "cancelled"}:
            raise NotFailed(f"This job is {record.state}; only a failed or cancelled one can run again.")
        partition = self._reader.partition_of(record.id)
        source = Source(keys.uploaded(partition, bulk=record.bulk), keys.PROCESS_GROUP, partition, record.bulk)
        upload = msgspec.structs.replace(record.upload, job_id=record.id, owner=owner, batch=record.batch or None)
        await self._run(Again(upload, source, "", trace.INVALID_SPAN), record)
        return record.id

    async def _run(self, again: Again, record: JobRecord | None) -> None:
        """Publish the run after the one that was read as ended; once, however many ask for it at a time."""
        job_id = again.upload.job_id or ""
        run = max(again.upload.run, record.run if record else 0) + 1
        with _span(again, record) as span:
            outcome = await self._call(again, record, run, span)
        if outcome == _PUBLISHED:
            log.info("job runs again", job_id=job_id, **telemetry.ids(span), run=run, letter=again.letter or None)
        elif outcome == _NO_LETTER:
            raise NotFound("There is no such dead letter.")
        elif outcome == _DELETED:
            raise Expired("This job was deleted.")
        elif outcome == _NOT_FAILED:
            raise NotFailed("This job is done or runs again already; only a failed or cancelled one can run again.")
        # Else our own call whose reply was lost, or a twin of it, began that run, which may even be over.

    async def _call(self, again: Again, record: JobRecord | None, run: int, span: Span) -> int:
        event = msgspec.structs.replace(again.upload, run=run)
        partition, job_id = again.source.partition, event.job_id or ""
        job = keys.job(partition, job_id)
        batch = (record.batch if record else event.batch) or ""
        seconds, micros = await self._reader.redis.time()
        created = record.created if record else created_at(job_id, seconds * 1000 + micros // 1000)
        names = [
            keys.dead(partition),
            again.source.stream,
            job,
            keys.version(partition),
            keys.index(partition, event.owner),
            keys.owners(partition),
            keys.batch(partition, batch) if batch else job,
            keys.batch_jobs(partition, batch) if batch else job,
        ]
        arguments: list[Any] = [again.letter, job_id, event.owner, batch, run, events.encode(event)]
        traced = [*trace_context.carrier(span), telemetry.trace_id(span)]
        rest: list[Any] = [keys.changes(partition), keys.LIVE_TTL, created, "1" if again.source.bulk else ""]
        rest += [again.upload.run if again.letter else "", record.attempts if record else 0]
        return int(await self._replay(keys=names, args=[*arguments, *traced, *rest]))

    async def _record(self, owner: str, job_id: str) -> JobRecord | None:
        try:
            return await self._reader.job(owner, job_id)
        except NotFound:
            return None


def _source(dead: Dead) -> Source:
    """The stream that a letter came from. Raises NotFound for one that is none of ours."""
    partition = dead.place.partition
    known = (
        Source(keys.uploaded(partition), keys.PROCESS_GROUP, partition),
        Source(keys.uploaded(partition, bulk=True), keys.PROCESS_GROUP, partition, bulk=True),
        Source(keys.progress(partition), keys.RESULTS_GROUP, partition),
        Source(keys.hooks(partition), keys.HOOKS_GROUP, partition),
    )
    for source in known:
        if source.stream == dead.letter.stream:
            return source
    raise NotFound("This dead letter names no stream of ours; it can only be dropped.")


def _upload(source: Source, dead: Dead) -> ImageUploaded | None:
    """The upload event in a dead letter; none for an entry of another kind. Raises InvalidEvent."""
    if source.group != keys.PROCESS_GROUP:
        return None
    entry_id = dead.letter.entry_id
    return events.decode_uploaded(dead.fields, partition=source.partition, entry_id=entry_id, bulk=source.bulk)


def _webhook(source: Source, dead: Dead) -> bytes:
    """The webhook in a dead letter with the id that it always had, to be tried anew; empty where there is none."""
    if source.group != keys.HOOKS_GROUP:
        return b""
    try:
        webhook = read(source, Entry(dead.letter.entry_id, dead.fields))
    except UNREADABLE:
        return b""
    return msgspec.json.encode(msgspec.structs.replace(webhook, since=int(time.time() * 1000), attempt=1))


@contextmanager
def _span(again: Again, record: JobRecord | None) -> Iterator[Span]:
    """The span that publishes the next run, linked to the one that published the run before."""
    stream = semantics.uploaded(bulk=again.source.bulk)
    attributes = semantics.publishing(stream, again.source.partition, again.upload.job_id or "")
    if record is not None and record.trace:
        # A retry has no entry whose span could be linked, so the trace of the run before is named as well.
        attributes[semantics.PREVIOUS] = record.trace
    with telemetry.tracer.running(
        semantics.publish_name(stream), kind=semantics.PRODUCER, attributes=attributes, service="results"
    ) as span:
        earlier = again.before.get_span_context()
        if earlier.is_valid:
            span.add_link(earlier)
        yield span
