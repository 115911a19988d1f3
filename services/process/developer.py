"""The handler of the process stage: from a batch of upload events to settled jobs.

What needs no pixels (an unreadable event, a wrong chain, an identity job, a result that is stored already) is settled
at once, in one script. The rest goes to the pool, each image for itself.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from opentelemetry.trace import Span

from services.process import obituary, orders, spans
from services.process.door import PoolDoor
from services.process.facts import Facts
from services.process.metrics import Metrics
from services.process.orders import Order
from services.process.pool import Pool
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from services.process.store_watch import StoreWatch
from shared import events, keys, telemetry, trace_context
from shared.blobs import BlobStore
from shared.dead_letters import DeadLetter
from shared.entries import Entry, Source
from shared.errors import DarkroomError, InvalidEvent, OutOfMemory, StorageUnavailable, TimedOut, WorkerCrashed
from shared.events import Failure, ImageProgress, Result
from shared.leases import Reason
from shared.scripts import RedisClient
from shared.stage import Outcome, Stage

log = structlog.get_logger()

#: A job whose image took its pool child down is tried once more before it fails.
_CHILD_FAULTS: Final = (WorkerCrashed, TimedOut, OutOfMemory)
_CHILD_TRIES: Final = 2
#: Tries of an image that a healthy store does not serve, before its entry is left to be redelivered.
_STORE_TRIES: Final = 4
_STATES: Final = {"processed": "done", "failed": "failed"}
#: What the script `start` answers for an entry whose job was cancelled, deleted or runs anew.
_OVER: Final = -1


@dataclass(frozen=True, slots=True)
class _Done:
    """A job that is finished, ready to be settled."""

    order: Order
    span: Span
    event: ImageProgress


class Developer:
    """Handles batches; `stage` is set once the stage exists, for each needs the other."""

    stage: Stage

    def __init__(
        self,
        settings: ProcessSettings,
        redis: RedisClient,
        store: BlobStore,
        pool: Pool,
        door: PoolDoor,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._redis = redis
        self._facts = Facts(redis)
        self._store = StoreWatch(store)
        self._pool = pool
        self._door = door
        self._metrics = metrics

    async def handle(self, source: Source, batch: Sequence[Entry]) -> None:
        """Settle every entry of a batch. Raises what keeps an entry from it; that entry is redelivered."""
        read = await self._read(source, batch)
        at_once, seated = await self._sort(read)
        self._door.learn(source, seated=len(seated))
        if at_once:
            await self._settle(source, at_once)
        # More came than children can soon start; another process may start them sooner.
        most = max(1, self._door.room(source))
        if len(seated) > most:
            await self.stage.hand_back(source, [order.entry for order in seated[most:]])
            del seated[most:]
        if seated:
            answers = await asyncio.gather(*(self._develop(order) for order in seated), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer

    async def obituary(self, source: Source, entry: Entry, worker: str) -> DeadLetter:
        """The dead letter of an entry that used up its attempts, and the failure of its job."""
        letter = await obituary.of_spent(source, entry, worker, self._recall)
        self._metrics.dead_letters.labels(letter.code).inc()
        return letter

    async def _recall(self, job_key: str) -> list[bytes | None]:
        told: list[bytes | None] = await self.stage.outage.persist(self._redis.hmget, job_key, obituary.TOLD)
        return told

    async def _read(self, source: Source, batch: Sequence[Entry]) -> list[Order]:
        read: list[Order] = []
        for entry in batch:
            try:
                read.append(orders.read(source, entry))
            except InvalidEvent as error:
                self._metrics.dead_letters.labels(error.code).inc()
                await self.stage.bury(source, entry, obituary.of_unreadable(source, entry, error, self.stage.consumer))
        return read

    async def _sort(self, read: Sequence[Order]) -> tuple[list[_Done], list[Order]]:
        """Those that are finished without the pool, and those that need it."""
        done: list[_Done] = []
        rest: list[tuple[Order, str | None]] = []
        for order in read:
            result = orders.identity(order.upload)
            if result is not None:
                done.append(self._processed(order, spans.begin(order), result, cached=False))
                continue
            try:
                rest.append((order, orders.expected_key(order.upload)))
            except DarkroomError as error:
                done.append(self._failed(order, spans.begin(order), orders.failure_of(error)))
        stored = await self._facts.find([key for _, key in rest if key is not None])
        for order, key in rest:
            if key is not None and key in stored:
                done.append(self._processed(order, spans.begin(order), stored[key], cached=True))
        return done, [order for order, key in rest if key not in stored]

    async def _develop(self, order: Order) -> None:
        """Develop one image in the pool and settle it, unless it is lost or cancelled on the way."""
        self._door.sit(order.source)
        span = spans.begin(order)
        telemetry.tell_of(span, job_id=order.job_id)
        try:
            if not await self._started(order, span):
                return
            done = await self._run(order, span)
            if done is not None:
                await self._settle(order.source, [done])
        finally:
            spans.leave(span)
            self._door.rise(order.source)

    async def _started(self, order: Order, span: Span) -> bool:
        at = _now()
        event = orders.started(order, worker=self.stage.consumer, at=at)
        partition = order.source.partition
        state, since = await self.stage.persist(
            "start",
            keys=[order.source.stream, keys.progress(partition), keys.job(partition, order.job_id)],
            args=[
                order.source.group,
                self.stage.consumer,
                order.entry.id,
                order.upload.run,
                events.encode(event),
                *trace_context.carrier(span),
                order.attempt,
            ],
        )
        if state == 1:
            if spans.tell_of_lost(order, span, since):
                # This attempt may end like the one before, and would take that one's span with it.
                await telemetry.send_now()
        elif state == _OVER:
            spans.cancelled(span)
        self._metrics.wait.observe(max(0.0, (at - int(order.entry.id.split("-")[0])) / 1000))
        if order.attempt > 1:
            self._metrics.redelivered.inc()
        return bool(state == 1)

    async def _run(self, order: Order, span: Span) -> _Done | None:
        work = asyncio.create_task(self._tried(orders.request(order, self._settings), bulk=order.source.bulk))

        def stop(reason: Reason) -> None:
            self._metrics.lost.inc()
            if reason == "cancelled":
                spans.cancelled(span)
            work.cancel()

        job_key = keys.job(order.source.partition, order.job_id)
        self.stage.leases.watch(order.source, order.entry, job_key, stop)
        try:
            report = await work
        except asyncio.CancelledError:
            if not work.cancelled() or (current := asyncio.current_task()) is None or current.cancelling():
                work.cancel()
                raise
            return None
        except StorageUnavailable as error:
            # No verdict on the image: it is left to be redelivered.
            await self.stage.persist("note", keys=[job_key], args=[obituary.fault(order, error, self.stage.consumer)])
            raise
        except DarkroomError as error:
            return self._failed(order, span, orders.failure_of(error))
        spans.steps(span, report)
        return await self._concluded(order, span, report)

    async def _concluded(self, order: Order, span: Span, report: Report) -> _Done:
        if report.result is None:
            error = report.error or Failure("internal_error", "The engine gave no answer.")
            return self._failed(order, span, error, report)
        await self._facts.remember(report.result)
        return self._processed(order, span, report.result, cached=report.cached, report=report)

    async def _tried(self, request: Request, *, bulk: bool) -> Report:
        """The report of the pool. Faults of the store and of a child are tried again in place.

        Raises StorageUnavailable when the store is well and yet does not serve this one image.
        """
        tries = 0
        while True:
            report = await self._with_another_child(request, bulk=bulk)
            if report.error is None or not report.retryable:
                self._store.answered()
                return report
            error = StorageUnavailable(report.error.message)
            if await self._store.wait(error, tries + 1):
                tries += 1
            if tries == _STORE_TRIES:
                raise error

    async def _with_another_child(self, request: Request, *, bulk: bool) -> Report:
        for _ in range(_CHILD_TRIES - 1):
            try:
                return await self._pool.develop(request, bulk=bulk)
            except _CHILD_FAULTS as error:
                log.warning("trying once more in another child", code=error.code)
        return await self._pool.develop(request, bulk=bulk)

    def _processed(
        self, order: Order, span: Span, result: Result, *, cached: bool, report: Report | None = None
    ) -> _Done:
        event = orders.processed(order, result, worker=self.stage.consumer, at=_now(), cached=cached, report=report)
        return _Done(order, span, event)

    def _failed(self, order: Order, span: Span, error: Failure, report: Report | None = None) -> _Done:
        return _Done(order, span, orders.failed(order, error, worker=self.stage.consumer, at=_now(), report=report))

    async def _settle(self, source: Source, done: Sequence[_Done]) -> None:
        publishing = [spans.publish(one.span, one.order, one.event.type) for one in done]
        outcomes = [
            Outcome(one.order.entry, events.encode(one.event), *trace_context.carrier(span))
            for one, span in zip(done, publishing, strict=True)
        ]
        settled = await self.stage.settle(source, outcomes, output=keys.progress(source.partition))
        for one, span, ours in zip(done, publishing, settled, strict=True):
            if ours:
                span.end()
                spans.end(one.span, one.event)
                self._tell(one)
            else:
                spans.leave(one.span)
                self._metrics.lost.inc()

    def _tell(self, one: _Done) -> None:
        event = one.event
        self._metrics.jobs.labels(event.type, event.error.code if event.error else "").inc()
        if event.cached:
            self._metrics.cached.inc()
        for name, milliseconds in event.timings.items():
            self._metrics.steps.labels(name).observe(milliseconds / 1000)
        if event.timings and event.result is not None:
            for spec in event.upload.filters:
                self._metrics.filters.labels(spec["name"]).inc()
            self._metrics.bytes.labels("in").inc(event.upload.bytes_in or 0)
            self._metrics.bytes.labels("out").inc(event.result.bytes)
        log.info(
            "job ended",
            job_id=event.job_id,
            **telemetry.ids(one.span),
            state=_STATES[event.type],
            code=event.error.code if event.error else None,
            run=event.run,
            attempt=event.attempt,
            cached=event.cached,
            ms=round(sum(event.timings.values()), 1),
        )


def _now() -> int:
    return int(time.time() * 1000)
