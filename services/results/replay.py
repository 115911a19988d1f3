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
from shared import dead_letters, events, keys, scripts, semantics, telemetry, trace_context
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
    #: The event as it came, a JSON object, where nobody can read it; then `upload` tells of its job alone.
    unread: bytes = b""


class Replayer:
    """Publishes an upload event once more, as the next run of its job, with a trace that links the one before."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._replay = scripts.load(reader.redis, "replay")
        self._restore = scripts.load(reader.redis, "restore")

    async def put_back(self, dead: Dead) -> str | None:
        """Replay a dead letter; returns the id of the job that runs, none for an entry that is no upload.

        An upload that is no JSON object cannot say whose job it is, so it goes back as it came and is a new job.

        Raises NotFound when somebody else took the letter, Expired when the job was deleted meanwhile, NotFailed when
        it is done or runs again without this letter.
        """
        source = _source(dead)
        again = _again(source, dead)
        if again is not None:
            job_id = again.upload.job_id or ""
            await self._run(again, await self._record(again.upload.owner, job_id))
            return job_id
        letter = dead.place.entry_id
        restored = await self._restore(
            keys=[keys.dead(source.partition), source.stream, keys.restored(source.partition, letter)],
            args=[letter, keys.RESTORED_TTL, _webhook(source, dead)],
        )
        if not restored:
            raise NotFound("There is no such dead letter.")
        log.info("dead letter put back as it was", stream=source.stream, letter=dead.id)
        if source.group != keys.PROCESS_GROUP:
            return None
        return keys.job_of_entry(source.partition, restored.decode(), bulk=source.bulk)

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
        rest += [_letter_run(again), record.attempts if record else 0, _unread(again, event)]
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


def _again(source: Source, dead: Dead) -> Again | None:
    """The upload in a dead letter that its job can run again with; none for what is no upload or no JSON object."""
    if source.group != keys.PROCESS_GROUP:
        return None
    letter, before = dead.place.entry_id, telemetry.span_of(dead.fields)
    entry_id = dead.letter.entry_id
    try:
        upload = events.decode_uploaded(dead.fields, partition=source.partition, entry_id=entry_id, bulk=source.bulk)
    except InvalidEvent:
        job_id = dead.letter.job_id or keys.job_of_entry(source.partition, entry_id, bulk=source.bulk)
        if dead_letters.told(dead.fields) is None or not keys.is_job_of(source.partition, job_id):
            return None
        upload = ImageUploaded(source="", job_id=job_id, run=dead.letter.run)
        if dead.letter.owner != dead_letters.NOBODY:
            upload = msgspec.structs.replace(upload, owner=dead.letter.owner)
        return Again(upload, source, letter, before, unread=dead.fields[b"data"])
    return Again(upload, source, letter, before)


def _letter_run(again: Again) -> int | str:
    """The run that a letter proves to have failed; 0 if it is unreadable, so proves nothing; empty for a retry."""
    if not again.letter:
        return ""
    return 0 if again.unread else again.upload.run


def _unread(again: Again, event: ImageUploaded) -> bytes:
    """An unreadable event as it came, but of this job and run, so that it is known again; empty for all others."""
    if not again.unread:
        return b""
    members = msgspec.json.decode(again.unread, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**members, "job_id": event.job_id, "run": event.run, "owner": event.owner})


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
