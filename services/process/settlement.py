"""The end of jobs: their terminal events published, their entries acknowledged, and what this process tells of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from opentelemetry.trace import Span

from services.process import orders, spans
from services.process.facts import Facts
from services.process.metrics import Metrics
from services.process.orders import Order
from services.process.pool import Pool
from services.process.request import Report
from shared import events, keys, telemetry, trace_context
from shared.entries import Source
from shared.events import Failure, ImageProgress, Result
from shared.group_commit import GroupCommit
from shared.stage import Outcome, Stage

log = structlog.get_logger()

#: Seconds that a finished image waits for others to be settled with it, while more wait for a child than can be settled
#: one by one without taking the processor from the children.
LINGER: Final = 0.02
#: Images of one settlement.
_MOST: Final = 64
_STATES: Final = {"processed": "done", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Done:
    """A job that is finished, ready to be settled. `fresh` is a result that `Facts` does not know yet."""

    order: Order
    span: Span
    event: ImageProgress
    fresh: Result | None = None


class Settlement:
    """Settles what is done; `stage` is set once the stage exists, for each needs the other."""

    stage: Stage

    def __init__(self, facts: Facts, pool: Pool, metrics: Metrics) -> None:
        self._facts = facts
        self._pool = pool
        self._metrics = metrics
        self._soon: GroupCommit[Done, bool] = GroupCommit(
            self._settle_mixed, weight=lambda _: 1, most=_MOST, linger=lambda: LINGER if pool.crowded else 0
        )

    def processed(
        self, order: Order, span: Span, result: Result, *, cached: bool, report: Report | None = None
    ) -> Done:
        event = orders.processed(order, result, worker=self.stage.consumer, at=now(), cached=cached, report=report)
        return Done(order, span, event, None if report is None else result)

    def failed(self, order: Order, span: Span, error: Failure, report: Report | None = None) -> Done:
        return Done(order, span, orders.failed(order, error, worker=self.stage.consumer, at=now(), report=report))

    async def settle_soon(self, done: Done) -> None:
        """Settle one image, together with others that end at about this time while the pool is crowded."""
        await self._soon.add(done)

    async def settle(self, source: Source, done: Sequence[Done]) -> None:
        """Settle jobs of one stream together."""
        await self._facts.remember([one.fresh for one in done if one.fresh is not None])
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

    async def _settle_mixed(self, done: Sequence[Done]) -> list[bool | Exception]:
        answers: dict[str, bool | Exception] = {}
        for source in {one.order.source.stream: one.order.source for one in done}.values():
            try:
                await self.settle(source, [one for one in done if one.order.source == source])
            except Exception as error:  # noqa: BLE001 - raised to those whom it concerns
                answers[source.stream] = error
            else:
                answers[source.stream] = True
        return [answers[one.order.source.stream] for one in done]

    def _tell(self, one: Done) -> None:
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


def now() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)
