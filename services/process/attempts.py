"""Attempts at images that need the pool: started, developed, tried again where that helps, and settled."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog
from opentelemetry.trace import Span

from services.process import accounts, obituary, orders, spans
from services.process.door import PoolDoor, Seating
from services.process.metrics import Metrics
from services.process.orders import Order
from services.process.pool import Pool
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from services.process.settlement import Done, Ending, Settlement, now
from services.process.store_watch import StoreWatch
from services.process.worker import EngineFault
from shared import events, keys, telemetry, trace_context
from shared.entries import Source
from shared.errors import DarkroomError, OutOfMemory, StorageUnavailable, TimedOut, WorkerCrashed
from shared.events import Failure
from shared.leases import Reason
from shared.stage import Stage

log = structlog.get_logger()

#: A job whose image took its pool child down is tried once more before it fails.
_CHILD_FAULTS: Final = (WorkerCrashed, TimedOut, OutOfMemory)
_CHILD_TRIES: Final = 2
#: Tries of an image that a healthy store does not serve, before its entry is left to be redelivered.
_STORE_TRIES: Final = 4
#: What the script `start` answers for an entry that another worker owns, and for one whose job is over or runs anew.
_LOST: Final = 0
_OVER: Final = -1


class Attempts:
    """Runs orders that have taken their seats; `stage` is set once the stage exists."""

    stage: Stage

    def __init__(
        self,
        settings: ProcessSettings,
        pool: Pool,
        door: PoolDoor,
        store: StoreWatch,
        settlement: Settlement,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._door = door
        self._store = store
        self._settlement = settlement
        self._metrics = metrics

    async def run(self, source: Source, seated: Sequence[Order], seats: Seating) -> None:
        """Start images of one stream together, develop each and settle it, unless it is lost or cancelled on the way.

        Each gives back its seat as soon as it is out of its child.
        Raises what keeps one of them from it, when all have ended.
        """
        attempts = [(order, spans.begin(order)) for order in seated]
        try:
            started = await self._start(source, attempts)
        except BaseException:
            for _, span in attempts:
                spans.leave(span)
            raise
        work = (
            self._attempt(order, span, seats, goes_on=on) for (order, span), on in zip(attempts, started, strict=True)
        )
        faults = [answer for answer in await asyncio.gather(*work, return_exceptions=True) if answer is not None]
        for fault in faults[1:]:
            log.error("another image of the batch failed", exc_info=fault)
        if faults:
            raise faults[0]

    async def _start(self, source: Source, attempts: Sequence[tuple[Order, Span]]) -> list[bool]:
        """Tell that they start; which of them do."""
        at = now()
        arguments: list[str | bytes | int] = [source.group, self.stage.consumer]
        for order, span in attempts:
            event = orders.started(order, worker=self.stage.consumer, at=at)
            carrier = trace_context.carrier(span)
            arguments += (order.entry.id, order.upload.run, events.encode(event), *carrier, order.attempt)
        jobs = [keys.job(source.partition, order.job_id) for order, _ in attempts]
        answers = await self.stage.persist(
            "start", keys=[source.stream, keys.progress(source.partition), *jobs], args=arguments
        )
        started: list[bool] = []
        told = False
        for (order, span), state, since in zip(attempts, answers[::2], answers[1::2], strict=True):
            if state != _LOST:
                told = spans.tell_of_lost(order, span, since) or told
            if state == _OVER:
                spans.cancelled(span)
            elif state != _LOST:
                accounts.began(self._metrics, [order])
            started.append(state == 1)
        if told:
            # These attempts may end like the ones before, and would take the spans of those with them.
            await telemetry.send_now()
        return started

    async def _attempt(self, order: Order, span: Span, seats: Seating, *, goes_on: bool) -> None:
        telemetry.tell_of(span, job_id=order.job_id)
        ending = Ending()
        try:
            try:
                done = await self._develop(order, span, ending) if goes_on else None
            finally:
                seats.rise()
            if done is not None:
                await self._settlement.settle_soon(msgspec.structs.replace(done, ending=ending))
            elif ending.reason == "lost":
                self._metrics.lost.inc()
        except Exception:
            # Its neighbours may go on for long: whoever can, takes it over meanwhile.
            self.stage.leases.drop(order.source, [order.entry])
            raise
        finally:
            spans.leave(span)

    async def _develop(self, order: Order, span: Span, ending: Ending) -> Done | None:
        """What is to be settled; none once a renewal has told in `ending` why that is nobody's here."""
        work = asyncio.create_task(self._tried(orders.request(order, self._settings), bulk=order.source.bulk))

        def stop(reason: Reason) -> None:
            ending.reason = reason
            if reason == "cancelled":
                spans.cancelled(span)
            work.cancel()

        job_key = keys.job(order.source.partition, order.job_id)
        self.stage.leases.watch(order.source, order.entry, job_key, order.upload.run, stop)
        try:
            report = await work
        except asyncio.CancelledError:
            if not work.cancelled() or (current := asyncio.current_task()) is None or current.cancelling():
                work.cancel()
                raise
            return None
        except StorageUnavailable as error:
            # No verdict on the image: it is left to be redelivered.
            await self._note_fault(order, error)
            raise
        except EngineFault:
            about = {"job_id": order.job_id, "attempt": order.attempt}
            log.exception("the engine has a defect", **about, **telemetry.ids(span))
            await self._note_fault(order, DarkroomError("The engine has a defect; the log of its worker has more."))
            raise
        except DarkroomError as error:
            if isinstance(error, TimedOut):
                self._door.took(order, self._settings.time_limit)
            return self._settlement.failed(order, span, orders.failure_of(error))
        spans.steps(span, report)
        self._door.took(order, sum(step.milliseconds for step in report.steps) / 1000)
        if report.result is None:
            fault = report.error or Failure("internal_error", "The engine gave no answer.")
            return self._settlement.failed(order, span, fault, report)
        return self._settlement.processed(order, span, report.result, cached=report.cached, report=report)

    async def _note_fault(self, order: Order, error: DarkroomError) -> None:
        job_key = keys.job(order.source.partition, order.job_id)
        await self.stage.persist("note", keys=[job_key], args=[obituary.fault(order, error, self.stage.consumer)])

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
                spans.tried_again(error)
                tries += 1
            if tries == _STORE_TRIES:
                raise error

    async def _with_another_child(self, request: Request, *, bulk: bool) -> Report:
        for _ in range(_CHILD_TRIES - 1):
            try:
                return await self._pool.develop(request, bulk=bulk)
            except _CHILD_FAULTS as error:
                spans.tried_again(error)
                log.warning("trying once more in another child", code=error.code)
        return await self._pool.develop(request, bulk=bulk)
