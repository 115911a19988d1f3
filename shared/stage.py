"""One stage of the pipeline: read, lease, retry, settle, dead-letter, drain.

A stage delivers each entry of its streams at least once to a handler and makes the effects exactly one:

- lanes read small batches (`shared.lanes`); every entry in work is leased and renewed (`shared.leases`);
- a sweep takes over entries whose lease ran out, and what a draining process handed back;
- `settle` acknowledges and publishes in one fenced script, so that an owner that stalled publishes nothing;
- an entry that was started before runs alone in its process; after `max_attempts` starts it is a dead letter;
- `drain` finishes what is in work and hands on the rest from the pending list.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from shared import groups, keys, scripts
from shared.dead_letters import DeadLetter, Obituary
from shared.entries import Entry, Source
from shared.groups import Housekeeper
from shared.lanes import Batch, Door, Handler, Lanes
from shared.leases import Leases
from shared.outage import Outage
from shared.quiet import Quiet
from shared.scripts import RedisClient
from shared.settings import Settings

log = structlog.get_logger()

#: Entries that one sweep takes over at most.
CLAIM_COUNT: Final = 64
#: Sweeps within one lease, and the shortest pause between two in seconds.
SWEEPS: Final = 40
SHORTEST_SWEEP: Final = 0.05
#: Seconds between two rounds of trimming and reaping.
HOUSEKEEPING: Final = 2.0
#: Seconds after which a task that goes on is cancelled once more.
_CANCEL_AGAIN: Final = 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one entry: the event to publish and the trace context it carries."""

    entry: Entry
    event: bytes
    traceparent: str = ""
    tracestate: str = ""


class Stage:
    """One consumer group over some streams, in one process."""

    def __init__(
        self,
        settings: Settings,
        redis: RedisClient,
        sources: Sequence[Source],
        handler: Handler,
        *,
        door: Door,
        lanes: int,
        obituary: Obituary,
    ) -> None:
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.outage = Outage("redis")
        self._settings = settings
        self._redis = redis
        self._sources = sources
        self._handler = handler
        self._obituary = obituary
        self._quiet = Quiet(door)
        self.leases = Leases(redis, consumer=self.consumer, lease=settings.lease, outage=self.outage)
        self._lanes = Lanes(
            settings.redis_url, redis, consumer=self.consumer, handler=self._work, door=self._quiet, outage=self.outage
        )
        for source in sources:
            for _ in range(lanes):
                self._lanes.add(source)
        self._lease_ms = int(settings.lease * 1000)
        self._housekeeper = Housekeeper(redis, lease_ms=self._lease_ms)
        self._settle = scripts.load(redis, "settle")
        self._bury = scripts.load(redis, "bury")
        self._claim = scripts.load(redis, "claim")
        self._count = scripts.load(redis, "count")
        self._cursors = {source.stream: "0-0" for source in sources}
        self._tasks: list[asyncio.Task[None]] = []
        self._claimed: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make the groups, then read. Waits for Redis as long as it is away."""
        for source in self._sources:
            await self._persist(groups.ensure, self._redis, source)
        await self._persist(self._lanes.start)
        loops = [self.leases.run(), self._keep_house(), *(self._sweep_for_ever(source) for source in self._sources)]
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def check(self) -> None:
        """Raise unless this stage reads and Redis answers (for readiness)."""
        if self.outage.error is not None:
            raise self.outage.error
        if not self._lanes.running or any(task.done() for task in self._tasks):
            message = "A reader of the stage has stopped."
            raise RuntimeError(message)

    async def drain(self) -> None:
        """Stop reading, finish what is in work within the grace, hand on the rest, delete the consumer."""
        await self._lanes.close()
        sweeps = self._tasks[1:]
        await _cancel(sweeps)
        try:
            async with asyncio.timeout(self._settings.drain_grace):
                await self.leases.wait_empty()
        except TimeoutError:
            log.warning("drain grace is over", in_work=len(self.leases))
        await self._lanes.stop()
        await _cancel([*self._claimed, *self._tasks[:1]])
        for source in self._sources:
            try:
                handed = await self._housekeeper.release(source, self.consumer)
            except (RedisError, OSError) as error:
                # Their lease runs out instead, and the reaper of another process removes the consumer.
                log.warning("could not hand on pending entries", stream=source.stream, error=str(error))
            else:
                log.info("handed on pending entries", stream=source.stream, entries=handed)

    async def settle(self, source: Source, outcomes: Sequence[Outcome], *, output: str) -> list[bool]:
        """Acknowledge and publish to the stream `output` in one script; tells for each whether it was still ours."""
        args: list[Any] = [source.group, self.consumer]
        for outcome in outcomes:
            args += (outcome.entry.id, outcome.event, outcome.traceparent, outcome.tracestate)
        settled = await self._persist(self._settle, keys=[source.stream, output], args=args)
        self.leases.drop(source, [outcome.entry for outcome in outcomes])
        return [state == 1 for state in settled]

    async def bury(self, source: Source, entry: Entry, letter: DeadLetter) -> None:
        """Make an entry a dead letter, and publish its failure where its job is known."""
        fields = [part for name, value in entry.fields.items() for part in (name, value)]
        args = [source.group, self.consumer, entry.id, letter.document, letter.event, letter.traceparent]
        buried = await self._persist(
            self._bury,
            keys=[source.stream, keys.dead(source.partition), keys.progress(source.partition)],
            args=[*args, letter.tracestate, *fields],
        )
        self.leases.drop(source, [entry])
        if buried:
            log.error("dead letter", stream=source.stream, entry=entry.id, code=letter.code, attempts=entry.attempts)

    async def _work(self, source: Source, batch: Batch) -> None:
        """Hand a batch to the handler, leased; what it leaves unsettled is redelivered when the lease runs out."""
        self.leases.hold(source, batch)
        with self._quiet.working():
            try:
                await self._handler(source, batch)
            except Exception:
                log.exception("handler failed", stream=source.stream, entries=[entry.id for entry in batch])
            finally:
                self.leases.drop(source, batch)

    async def _sweep_for_ever(self, source: Source) -> None:
        pause = max(self._settings.lease / SWEEPS, SHORTEST_SWEEP)
        while True:
            await asyncio.sleep(pause)
            try:
                await self._sweep(source, int(pause * 1000))
            except (RedisError, OSError) as error:
                await self.outage.wait(error)
            else:
                self.outage.over()

    async def _sweep(self, source: Source, turn_ms: int) -> None:
        """Take over what nobody works on any more. One process of a group sweeps at a time, more when there is much."""
        turn = f"sweep:{source.group}:{source.stream}"
        count = min(self._quiet.room(source), CLAIM_COUNT)
        if not count or not await self._redis.set(turn, self.consumer, nx=True, px=turn_ms):
            return
        cursor, claimed = await self._claim(
            keys=[source.stream],
            args=[source.group, self.consumer, self._lease_ms, self._cursors[source.stream], count],
        )
        self._cursors[source.stream] = cursor
        entries = [
            Entry(entry_id.decode(), dict(zip(fields[::2], fields[1::2], strict=True)), int(starts))
            for entry_id, starts, fields in claimed
        ]
        if not entries:
            return
        await self._redis.delete(turn)
        log.info("took over entries", stream=source.stream, entries=len(entries))
        self.leases.hold(source, entries)
        await self._run_claimed(source, [entry for entry in entries if entry.attempts == 0])
        for entry in entries:
            if entry.attempts:
                await self._run_suspect(source, entry)

    async def _run_claimed(self, source: Source, entries: Sequence[Entry]) -> None:
        """Entries that were handed back before work on them started: nothing is held against them."""
        if entries:
            for entry in await self._counted(source, entries):
                task = asyncio.create_task(self._work(source, [entry]))
                self._claimed.add(task)
                task.add_done_callback(self._claimed.discard)

    async def _run_suspect(self, source: Source, entry: Entry) -> None:
        """An entry whose worker went silent: it runs alone, so that it can drag nobody along, or not at all."""
        if entry.attempts >= self._settings.max_attempts:
            await self.bury(source, entry, self._obituary(source, entry, self.consumer))
            return
        async with self._quiet.alone():
            for counted in await self._counted(source, [entry]):
                await self._work(source, [counted])

    async def _counted(self, source: Source, entries: Sequence[Entry]) -> list[Entry]:
        args = [part for entry in entries for part in (entry.id, entry.attempts + 1)]
        states = await self._count(keys=[source.stream], args=[source.group, self.consumer, *args])
        self.leases.drop(source, [entry for entry, state in zip(entries, states, strict=True) if state == 0])
        return [entry for entry, state in zip(entries, states, strict=True) if state == 1]

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            try:
                for source in self._sources:
                    await groups.ensure(self._redis, source)
                    await self._housekeeper.trim(source.stream, [source.group])
                    await self._housekeeper.reap(source)
            except (RedisError, OSError) as error:
                await self.outage.wait(error)

    async def _persist(self, call: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Repeat a call that is safe to repeat until Redis answers it."""
        while True:
            try:
                answer = await call(*args, **kwargs)
            except (RedisError, OSError) as error:
                await self.outage.wait(error)
            else:
                self.outage.over()
                return answer


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until it is done: redis-py can swallow a cancellation that meets it while it connects."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)
