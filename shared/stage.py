"""One stage of the pipeline: read, lease, retry, settle, dead-letter, drain.

A stage delivers each entry of its streams at least once to a handler and makes the effects exactly one:

- lanes read small batches (`shared.lanes`); every entry in work is leased and renewed (`shared.leases`);
- entries whose lease ran out, or that a draining process handed back, are taken over (`shared.takeover`): one that was
  started before runs alone in its process, after `max_attempts` starts it is a dead letter;
- `settle` acknowledges and publishes in one fenced script, so that an owner that stalled publishes nothing;
- `drain` finishes what is in work and hands on the rest from the pending list.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec
import structlog
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError, ResponseError

from shared import groups, keys, schema, scripts
from shared.chores import Chore
from shared.connections import told_by
from shared.dead_letters import DeadLetter, Obituary
from shared.entries import Entry, Source
from shared.groups import Housekeeper
from shared.lanes import Batch, Door, Handler, Lanes
from shared.leases import RENEWALS, Leases
from shared.outage import LONGEST_PAUSE, Outage
from shared.quiet import Quiet
from shared.reaper import Reaper
from shared.scripts import RedisClient
from shared.settings import Settings
from shared.takeover import Takeover, Taker

log = structlog.get_logger()

#: Seconds between two rounds of trimming and reaping, at most; with short leases two within each of them.
HOUSEKEEPING: Final = 2.0
#: Seconds after which a task that goes on is cancelled once more.
_CANCEL_AGAIN: Final = 0.2
#: Fields of an entry that its dead letter keeps; a script can hand on a few thousand at most. Ours come first.
_FIELDS_KEPT: Final = 256
_OUR_FIELDS: Final = (b"data", b"traceparent", b"tracestate")


class Outcome(msgspec.Struct, frozen=True, gc=False):
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
        outage: Outage | None = None,
    ) -> None:
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.outage = outage or outage_of(settings)
        self._settings = settings
        self._redis = redis
        self._sources = sources
        self._handler = handler
        self._obituary = obituary
        self._scripts: dict[str, AsyncScript] = {}
        self._lease_ms = int(settings.lease * 1000)
        self._housekeeper = Housekeeper(redis, lease_ms=self._lease_ms)
        self._reaper = Reaper(redis, consumer=self.consumer, lease=settings.lease, outage=self.outage)
        self.leases = Leases(redis, consumer=self.consumer, outage=self.outage)
        self._quiet = Quiet(door)
        taker = Taker(self.consumer, settings.lease, settings.max_attempts, self._work, self._give_up)
        self._takeover = Takeover(redis, taker, self._quiet, self.outage)
        self._lanes = Lanes(
            settings,
            consumer=self.consumer,
            handler=self._work,
            take=self._takeover.take,
            door=self._quiet,
            outage=self.outage,
        )
        for source in sources:
            for _ in range(lanes):
                self._lanes.add(source)
        self._renewing = self._chore("renew leases", self.leases.renew, pause=settings.lease / RENEWALS)
        self._chores = [self._chore("keep house", self._keep_house, pause=min(HOUSEKEEPING, settings.lease / 2))]
        for source in sources:
            look = partial(self._takeover.look, source)
            self._chores.append(self._chore("take over", look, pause=self._takeover.pause))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Make the groups, then read. Waits for Redis as long as it is away; raises WrongSchema."""
        await self.outage.persist(schema.check, self._redis)
        await self.outage.persist(self._ensure)
        await self.outage.persist(self._lanes.start)
        self._tasks = [asyncio.create_task(chore.run()) for chore in (self._renewing, *self._chores)]

    async def check(self) -> None:
        """Raise unless this stage reads, its chores succeed and Redis answers (for readiness)."""
        if self.outage.error is not None:
            raise self.outage.error
        self._lanes.check()
        for chore in (self._renewing, *self._chores):
            if chore.fault is not None:
                raise chore.fault
        if any(task.done() for task in self._tasks):
            raise RuntimeError("A chore of the stage has stopped.")

    async def drain(self) -> None:
        """Stop reading, finish what is in work within the grace, hand on the rest, delete the consumer."""
        await _cancel(self._tasks[1:])
        try:
            async with asyncio.timeout(self._settings.drain_grace):
                await self._lanes.close()
                await self.leases.wait_empty()
        except TimeoutError:
            log.warning("drain grace is over", in_work=len(self.leases))
        await self._lanes.stop()
        await self._takeover.finish()
        await _cancel(self._tasks[:1])
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
        self.leases.rest(source, [outcome.entry for outcome in outcomes])
        args: list[Any] = [source.group, self.consumer]
        for outcome in outcomes:
            args += (outcome.entry.id, outcome.event, outcome.traceparent, outcome.tracestate)
        settled = await self.persist("settle", keys=[source.stream, output], args=args)
        self.leases.drop(source, [outcome.entry for outcome in outcomes])
        return [state == 1 for state in settled]

    async def bury(self, source: Source, entry: Entry, letter: DeadLetter) -> None:
        """Make an entry a dead letter, and publish its failure where its job is known."""
        fields = [part for name in _kept(entry) for part in (name, entry.fields[name])]
        args = [source.group, self.consumer, entry.id, letter.document, letter.event, letter.traceparent]
        buried = await self.persist(
            "bury",
            keys=[source.stream, keys.dead(source.partition), keys.progress(source.partition)],
            args=[*args, letter.tracestate, *fields],
        )
        self.leases.drop(source, [entry])
        if buried:
            letter.written()
            about = {"code": letter.code, **letter.about}
            log.error("dead letter", stream=source.stream, entry=entry.id, attempts=entry.attempts, **about)
            if letter.event:
                log.info("job ended", state="failed", **about)

    async def hand_back(self, source: Source, entries: Sequence[Entry]) -> None:
        """Give entries that were not started to whoever can start them sooner; nothing is held against them."""
        args = [source.group, self.consumer, keys.RELEASED, self._lease_ms, *(entry.id for entry in entries)]
        await self.persist("hand_back", keys=[source.stream], args=args)
        self.leases.drop(source, entries)

    async def persist(self, script: str, **call: Any) -> Any:  # noqa: ANN401 - whatever the script returns
        """Run a script of ours however long Redis is away; groups that are gone are made again first.

        Raises what waiting does not mend.
        """
        loaded = self._scripts.get(script) or self._scripts.setdefault(script, scripts.load(self._redis, script))
        return await self.outage.persist(self._with_groups, loaded, **call)

    def _chore(self, name: str, step: Callable[[], Awaitable[None]], *, pause: float) -> Chore:
        return Chore(name, partial(self._with_groups, step), pause=pause, outage=self.outage)

    async def _with_groups(self, call: Callable[..., Awaitable[Any]], **arguments: Any) -> Any:  # noqa: ANN401
        """Call once more when the groups were gone: that they are lost is no outage, they are made again."""
        try:
            return await call(**arguments)
        except ResponseError as error:
            if told_by(error) != "NOGROUP":
                raise
        await self._ensure()
        return await call(**arguments)

    async def _ensure(self) -> None:
        for source in self._sources:
            await groups.ensure(self._redis, source)

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

    async def _give_up(self, source: Source, entry: Entry) -> None:
        await self.bury(source, entry, await self._obituary(source, entry, self.consumer))

    async def _keep_house(self) -> None:
        await schema.check(self._redis)
        for source in self._sources:
            await groups.ensure(self._redis, source)
            await self._reaper.touch(source)
            await self._housekeeper.trim(source.stream, [source.group])
            await self._reaper.reap(source)


def outage_of(settings: Settings) -> Outage:
    """What a process knows of Redis. It retries often enough that no lease runs out after the server came back."""
    return Outage("redis", longest_pause=min(LONGEST_PAUSE, settings.lease / 4))


def _kept(entry: Entry) -> list[bytes]:
    """Names of the fields that a dead letter keeps."""
    ours = [name for name in _OUR_FIELDS if name in entry.fields]
    return [*ours, *islice((name for name in entry.fields if name not in _OUR_FIELDS), _FIELDS_KEPT - len(ours))]


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until it is done: redis-py can swallow a cancellation that meets it while it connects."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)
