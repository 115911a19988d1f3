"""The projection: events of the progress streams become the state of jobs.

One script per batch acknowledges and applies the entries (`shared/lua/project.lua`), so a batch that is delivered
twice, in any order, by any number of replicas, ends in the same state.
"""

import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from redis.exceptions import RedisError

from services.results.metrics import ResultsMetrics
from shared import dead_letters, keys, scripts, telemetry
from shared.entries import Entry, Source
from shared.errors import InvalidEvent
from shared.events import ImageProgress, decode_progress, encode
from shared.outage import Outage
from shared.scripts import RedisClient

#: Version, trace id, parent id, flags (W3C Trace Context).
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")
#: Fields of an unreadable entry that its dead letter keeps; a script can hand on a few thousand at most.
_FIELDS_KEPT: Final = 256
_OUTCOMES: Final = ("repeated", "ignored", "applied")


@dataclass(frozen=True, slots=True)
class Step:
    """One readable entry: the event and where it leads."""

    entry: Entry
    event: ImageProgress
    #: When the server took the entry, ms since the epoch.
    at: int


class Projection:
    """Handles batches of progress entries. Waits for Redis as long as it is away."""

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
        steps: list[Step] = []
        for entry in entries:
            try:
                event = decode_progress(entry.fields, partition=source.partition)
            except InvalidEvent as error:
                await self._bury(source, entry, error)
            else:
                steps.append(Step(entry, event, int(entry.id.split("-")[0])))
        if steps:
            with _spans(source, steps):
                outcomes = await self._persist(
                    self._project, keys=_keys(source, steps), args=self._arguments(source, steps)
                )
            self._note(steps, outcomes)

    def _arguments(self, source: Source, steps: Sequence[Step]) -> list[Any]:
        arguments: list[Any] = [
            source.group,
            keys.changes(source.partition),
            keys.LIVE_TTL,
            self._retention,
            keys.TALLY_TTL,
        ]
        for step in steps:
            arguments += _describe(step)
        return arguments

    async def _bury(self, source: Source, entry: Entry, error: InvalidEvent) -> None:
        letter = dead_letters.write(source, entry, code=error.code, message=error.message, worker="results")
        kept = islice(entry.fields.items(), _FIELDS_KEPT)
        fields = [part for name, value in kept for part in (name, value)]
        await self._persist(
            self._reject,
            keys=[source.stream, keys.dead(source.partition)],
            args=[source.group, entry.id, letter, *fields],
        )
        self._metrics.events.labels("unreadable").inc()

    async def _persist(self, script: Callable[..., Awaitable[Any]], **call: Any) -> Any:  # noqa: ANN401 - a script's
        while True:
            try:
                answer = await script(**call)
            except (RedisError, OSError) as error:
                await self.outage.wait(error)
            else:
                self.outage.over()
                return answer

    def _note(self, steps: Sequence[Step], outcomes: Sequence[int]) -> None:
        for step, outcome, created in zip(steps, outcomes[::2], outcomes[1::2], strict=True):
            self._metrics.events.labels(_OUTCOMES[outcome]).inc()
            if outcome == 2 and step.event.type != "started":
                state = "done" if step.event.type == "processed" else "failed"
                self._metrics.jobs.labels(state, step.event.error.code if step.event.error else "").inc()
                self._metrics.duration.observe(max(0, step.at - created) / 1000)


def created_at(job_id: str, fallback: int) -> int:
    """When a job that nobody recorded was made, in ms since the epoch: its id is an entry's or a UUID of version 7."""
    rest = job_id.split("-", 1)[1]
    milliseconds, _, sequence = rest.partition("-")
    if milliseconds.isdecimal() and sequence.isdecimal() and len(milliseconds) == 13:
        return min(int(milliseconds), fallback)
    if len(rest) == 36 and rest[14] == "7":
        try:
            return min(int(rest[:8] + rest[9:13], 16), fallback)
        except ValueError:
            return fallback
    return fallback


def _keys(source: Source, steps: Sequence[Step]) -> list[str]:
    partition = source.partition
    names = [
        source.stream,
        keys.version(partition),
        keys.owners(partition),
        keys.hooks(partition),
        keys.tally(partition, time.time()),
    ]
    for step in steps:
        upload = step.event.upload
        job = keys.job(partition, step.event.job_id)
        names += [
            job,
            keys.index(partition, upload.owner),
            keys.batch(partition, upload.batch) if upload.batch else job,
            keys.batch_jobs(partition, upload.batch) if upload.batch else job,
        ]
    return names


def _describe(step: Step) -> tuple[Any, ...]:
    """The arguments of one entry, in the order that project.lua describes."""
    event, upload, fields = step.event, step.event.upload, step.entry.fields
    traced = _TRACEPARENT.fullmatch(fields.get(b"traceparent", b""))
    return (
        step.entry.id,
        event.type,
        event.job_id,
        event.run,
        upload.owner,
        upload.batch or "",
        upload.expected or "",
        created_at(event.job_id, step.at),
        step.at,
        event.attempt,
        traced.group(1) if traced else b"",
        event.error.code if event.error else "",
        encode(upload) if event.type == "started" else fields[b"data"],
        upload.webhook or "",
        traced.group() if traced else b"",
    )


@contextmanager
def _spans(source: Source, steps: Sequence[Step]) -> Iterator[None]:
    """A span for each sampled entry, a child of the one that published it, around the work on the whole batch."""
    sampled = [step for step in steps if _is_sampled(step.entry.fields)]
    if not sampled or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield
        return
    stream = "image.progress"
    spans = [
        telemetry.tracer.start_span(
            f"{stream} process",
            context=telemetry.context_of(step.entry.fields),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "redis",
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.destination.name": stream,
                "messaging.destination.partition.id": str(source.partition),
                "messaging.consumer.group.name": source.group,
                "messaging.message.id": step.entry.id,
                "darkroom.job.id": step.event.job_id,
                "darkroom.event.type": step.event.type,
            },
        )
        for step in sampled
    ]
    try:
        yield
    finally:
        for span in spans:
            span.end()


def _is_sampled(fields: Mapping[bytes, bytes]) -> bool:
    match = _TRACEPARENT.fullmatch(fields.get(b"traceparent", b""))
    return match is not None and int(match.group(2), 16) & 1 == 1
