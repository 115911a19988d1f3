"""The projection: events of the progress streams become the state of jobs.

One script per batch acknowledges and applies the entries (`shared/lua/project.lua`), so a batch that is delivered
twice, in any order, by any number of replicas, ends in the same state.
"""

import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.trace import Span

from services.results.metrics import ResultsMetrics
from shared import dead_letters, keys, scripts, semantics, telemetry, trace_context
from shared.entries import Entry, Source
from shared.errors import DarkroomError, InvalidEvent, every_error
from shared.events import ImageProgress, ImageUploaded, decode_progress, encode
from shared.metrics import priority
from shared.outage import Outage
from shared.scripts import RedisClient
from shared.trace_context import Recorded

log = structlog.get_logger()

#: Fields of an unreadable entry that its dead letter keeps; a script can hand on a few thousand at most.
_FIELDS_KEPT: Final = 256
#: The year 2286 in ms.
_FAR_AWAY: Final = 10**13
_CODES: Final = frozenset({DarkroomError.code, *(error.code for error in every_error())})
_OUTCOMES: Final = ("repeated", "ignored", "applied")


class Step(msgspec.Struct, frozen=True, gc=False):
    """One readable entry: the event and where it leads."""

    entry: Entry
    event: ImageProgress
    #: When the server took the entry, ms since the epoch.
    at: int


class Projection:
    """Handles batches of progress entries as a consumer whose name is set once its stage exists.

    Waits for Redis as long as it is away.
    """

    consumer: str

    def __init__(
        self, redis: RedisClient, *, retention: int, metrics: ResultsMetrics, outage: Outage | None = None
    ) -> None:
        self.outage = outage or Outage("redis")
        self._retention = retention
        self._metrics = metrics
        self._project = scripts.load(redis, "project")
        self._reject = scripts.load(redis, "reject")

    async def handle(self, source: Source, entries: Sequence[Entry]) -> None:
        """Apply and acknowledge `entries` of one progress stream; what cannot be read becomes a dead letter."""
        self._metrics.note_redelivered(source, entries)
        steps: list[Step] = []
        for entry in entries:
            try:
                event = decode_progress(entry.fields, partition=source.partition)
            except InvalidEvent as error:
                await self._bury(source, entry, error)
            else:
                steps.append(Step(entry, event, _taken_at(entry)))
        if steps:
            traces = [_traced(source, step) for step in steps]
            try:
                names, arguments = self._call(source, steps, traces)
                outcomes = await self.outage.persist(self._project, keys=names, args=arguments)
            except Exception as error:
                _end(traces, error)
                raise
            _end(traces)
            self._note(steps, outcomes)

    def _call(self, source: Source, steps: Sequence[Step], traces: Sequence["_Traced"]) -> tuple[list[str], list[Any]]:
        """The keys and arguments of project.lua, in the order that it describes."""
        partition = source.partition
        names = [
            source.stream,
            keys.version(partition),
            keys.owners(partition),
            keys.hooks(partition),
            keys.tally(partition, time.time()),
        ]
        arguments: list[Any] = [
            source.group,
            keys.changes(partition),
            keys.LIVE_TTL,
            self._retention,
            keys.TALLY_TTL,
        ]
        numbers: dict[_Request, int] = {}
        described: list[Any] = []
        for step, traced in zip(steps, traces, strict=True):
            described.append(numbers.setdefault(_request(step.event.upload), len(numbers) + 1))
            described += _describe(step, traced)
        arguments.append(len(numbers))
        for request in numbers:
            names += request.keys(partition)
            arguments += request
        names += [keys.job(partition, step.event.job_id) for step in steps]
        return names, arguments + described

    async def _bury(self, source: Source, entry: Entry, error: InvalidEvent) -> None:
        owner = dead_letters.owner_told(entry.fields)
        letter = dead_letters.write(
            source, entry, code=error.code, message=error.message, worker="results", owner=owner
        )
        kept = islice(entry.fields.items(), _FIELDS_KEPT)
        fields = [part for name, value in kept for part in (name, value)]
        rejected = await self.outage.persist(
            self._reject,
            keys=[source.stream, keys.dead(source.partition)],
            args=[source.group, self.consumer, entry.id, letter, *fields],
        )
        if rejected:
            ids = telemetry.ids(telemetry.span_of(entry.fields))
            log.error(
                "dead letter", stream=source.stream, entry=entry.id, attempts=entry.attempts, code=error.code, **ids
            )
        self._metrics.events.labels("unreadable").inc()

    def _note(self, steps: Sequence[Step], outcomes: Sequence[int]) -> None:
        for outcome, number in Counter(outcomes[::3]).items():
            self._metrics.events.labels(_OUTCOMES[outcome]).inc(number)
        ended: Counter[tuple[str, str]] = Counter()
        for step, outcome, created, bulk in zip(steps, outcomes[::3], outcomes[1::3], outcomes[2::3], strict=True):
            if outcome == 2 and step.event.type != "started":
                ended["done" if step.event.type == "processed" else "failed", _code(step.event)] += 1
                of_bulk = bool(bulk) or _is_of_bulk_entry(step.event.job_id)
                # A later run keeps the creation of its job, so what lay between the runs would count as its time.
                if step.event.run == 1:
                    self._metrics.duration.labels(priority(bulk=of_bulk)).observe(max(0, step.at - created) / 1000)
        for labels, number in ended.items():
            self._metrics.jobs.labels(*labels).inc(number)


def _code(event: ImageProgress) -> str:
    """The error code as a label: whoever may XADD could make up any number of others."""
    if event.error is None:
        return ""
    return event.error.code if event.error.code in _CODES else "other"


def _is_of_bulk_entry(job_id: str) -> bool:
    """Whether a job was published straight to the low-priority stream, which its record does not tell."""
    return job_id.split("-", 1)[1].startswith("bulk-")


def _taken_at(entry: Entry) -> int:
    """When the server took an entry, in ms; a stream that somebody gave an id from far away has no clock any more."""
    milliseconds = int(entry.id.split("-")[0])
    return milliseconds if milliseconds < _FAR_AWAY else int(time.time() * 1000)


def created_at(job_id: str, fallback: int) -> int:
    """When a job that nobody recorded was made, in ms since the epoch: its id is an entry's or a UUID of version 7."""
    rest = job_id.split("-", 1)[1].removeprefix("bulk-")
    milliseconds, _, sequence = rest.partition("-")
    if milliseconds.isdecimal() and sequence.isdecimal() and len(milliseconds) == 13:
        return min(int(milliseconds), fallback)
    if len(rest) == 36 and rest[14] == "7":
        try:
            return min(int(rest[:8] + rest[9:13], 16), fallback)
        except ValueError:
            return fallback
    return fallback


class _Request(NamedTuple):
    """What the jobs of one request have in common, as project.lua takes it; empty what is not there."""

    owner: str
    batch: str
    expected: int | str
    webhook: str

    def keys(self, partition: int) -> tuple[str, str, str]:
        index = keys.index(partition, self.owner)
        if not self.batch:
            return index, index, index
        return index, keys.batch(partition, self.batch), keys.batch_jobs(partition, self.batch)


def _request(upload: ImageUploaded) -> _Request:
    return _Request(upload.owner, upload.batch or "", upload.expected or "", upload.webhook or "")


def _describe(step: Step, traced: "_Traced") -> tuple[Any, ...]:
    """The arguments of one entry behind the number of its request."""
    event = step.event
    return (
        step.entry.id,
        event.type,
        event.job_id,
        event.run,
        created_at(event.job_id, step.at),
        step.at,
        event.attempt,
        encode(event.upload) if event.type == "started" else step.entry.fields[b"data"],
        event.error.code if event.error else "",
        traced.trace_id,
        traced.traceparent,
    )


class _Traced(NamedTuple):
    """What a webhook names as its cause, the trace of the job (empty when it is not kept), and the recorded span."""

    traceparent: str
    trace_id: str
    span: Recorded | None


_SILENT: Final = _Traced("", "", None)


def _traced(source: Source, step: Step) -> _Traced:
    """Begin the span of an entry: a child of the one that published it, none where that is not recorded."""
    # An unsampled trace is of use to nobody but the receiver of a webhook.
    if telemetry.is_silent(step.entry.fields) and not step.event.upload.webhook:
        return _SILENT
    above = telemetry.span_of(step.entry.fields)
    if above is trace.INVALID_SPAN:
        return _SILENT
    span = _span(source, step, above) if telemetry.tracer.may_record(above) else above
    recorded = span if type(span) is Recorded else None
    return _Traced(trace_context.carrier(span)[0], telemetry.trace_id(span), recorded)


def _span(source: Source, step: Step, parent: Span) -> Span:
    attributes = semantics.processing(
        semantics.PROGRESS, source.partition, source.group, step.entry.id, step.event.job_id
    )
    attributes[semantics.EVENT] = step.event.type
    return telemetry.tracer.start(
        semantics.process_name(semantics.PROGRESS),
        parent=parent,
        kind=semantics.CONSUMER,
        attributes=attributes,
        service="results",
    )


def _end(traces: Sequence[_Traced], error: Exception | None = None) -> None:
    for _, _, span in traces:
        if span is not None:
            if error is not None:
                span.fail(error)
            span.end()
