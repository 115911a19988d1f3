"""The end of jobs: their terminal events published, their entries acknowledged, and what this process tells of it."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from opentelemetry.trace import Span

from services.process import accounts, orders, spans
from services.process.facts import Facts
from services.process.metrics import Metrics
from services.process.orders import Order
from services.process.pool import Pool
from services.process.request import Report
from shared import events, keys, trace_context
from shared.entries import Source
from shared.events import Failure, ImageProgress, Result
from shared.group_commit import GroupCommit
from shared.leases import Reason
from shared.scripts import RedisClient
from shared.stage import Outcome, Stage

#: Seconds that a finished image waits for others to be settled with it, while more wait for a child than can be settled
#: one by one without taking the processor from the children.
LINGER: Final = 0.04
#: Images of one settlement.
_MOST: Final = 64


class Ending(msgspec.Struct):
    """Why the work on an entry is over before its end, once a renewal has told that."""

    reason: Reason | None = None


class Done(msgspec.Struct, frozen=True, gc=False):
    """A job that is finished, ready to be settled. `fresh` is a result that `Facts` does not know yet.

    A renewal may tell its `ending` even now.
    """

    order: Order
    span: Span
    event: ImageProgress
    fresh: Result | None = None
    ending: Ending | None = None


class Settlement:
    """Settles what is done; `stage` is set once the stage exists, for each needs the other."""

    stage: Stage

    def __init__(self, redis: RedisClient, facts: Facts, pool: Pool, metrics: Metrics) -> None:
        self._redis = redis
        self._facts = facts
        self._pool = pool
        self._metrics = metrics
        #: By stream: each has its own node of Redis to wait for, and its own priority.
        self._soon: dict[str, GroupCommit[Done, bool]] = {}

    def processed(
        self, order: Order, span: Span, result: Result, *, cached: bool, report: Report | None = None
    ) -> Done:
        event = orders.processed(order, result, worker=self.stage.consumer, at=now(), cached=cached, report=report)
        return Done(order, span, event, None if report is None else result)

    def failed(self, order: Order, span: Span, error: Failure, report: Report | None = None) -> Done:
        return Done(order, span, orders.failed(order, error, worker=self.stage.consumer, at=now(), report=report))

    async def settle_soon(self, done: Done) -> None:
        """Settle one image; while the pool is crowded, with others of its stream that end at about this time."""
        source = done.order.source
        if source.stream not in self._soon:
            self._soon[source.stream] = GroupCommit(
                partial(self._settle_group, source),
                weight=lambda _: 1,
                most=_MOST,
                linger=lambda: LINGER if self._pool.crowded(bulk=source.bulk) else 0,
            )
        await self._soon[source.stream].add(done)

    async def settle(self, source: Source, done: Sequence[Done], *, at_once: bool = False) -> None:
        """Settle jobs of one stream together; `at_once` if work on them was not said to start."""
        await self._facts.remember([one.fresh for one in done if one.fresh is not None])
        publishing = [spans.publish(one.span, one.order, one.event.type) for one in done]
        outcomes = [
            Outcome(one.order.entry, events.encode(one.event), *trace_context.carrier(span))
            for one, span in zip(done, publishing, strict=True)
        ]
        settled = await self.stage.settle(source, outcomes, output=keys.progress(source.partition))
        ours = [one for one, was_ours in zip(done, settled, strict=True) if was_ours]
        if at_once:
            await self._began_at_once(ours)
        for one, span, was_ours in zip(done, publishing, settled, strict=True):
            if was_ours:
                span.end()
                spans.end(one.span, one.event)
            else:
                spans.leave(one.span)
                if one.ending is None or one.ending.reason != "cancelled":
                    self._metrics.lost.inc()
        accounts.ended(self._metrics, [(one.event, one.span) for one in ours])

    async def _began_at_once(self, done: Sequence[Done]) -> None:
        """Nobody said that these attempts start, but one that was taken over has one before it all the same."""
        accounts.began(self._metrics, [one.order for one in done])
        for order, span in ((one.order, one.span) for one in done if one.order.attempt > 1):
            job_key = keys.job(order.source.partition, order.job_id)
            begun = await self.stage.outage.persist(self._redis.hmget, job_key, orders.BEGUN)
            spans.tell_of_lost(order, span, orders.last_start(begun))

    async def _settle_group(self, source: Source, done: Sequence[Done]) -> list[bool]:
        # In the order of the stream, in which the script looks for them.
        await self.settle(source, sorted(done, key=lambda one: one.order.entry.number))
        return [True] * len(done)


def now() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)
