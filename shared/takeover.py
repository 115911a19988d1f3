"""Taking over entries that nobody works on any more: handed back by a drain, or left by a worker that went silent.

- Fresh entries, on which no work ever started, are taken like unread ones: many at a time, before unread ones.
- A suspect was started before and its worker went silent, maybe because of it. It runs alone in its process, one at a
  time, so that it can drag nobody along. It is claimed only once a process has gone quiet, so it never waits for the
  long image of one process while another could start it.
- A spent one has used up its attempts and becomes a dead letter.

After an outage of Redis nobody's lease was renewed, so suspects and spent ones are left alone until the living had time
to renew: an entry in its last allowed start looks like a spent one then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import structlog
from redis.commands.core import AsyncScript

from shared import scripts
from shared.entries import Entry, Source
from shared.outage import Outage
from shared.quiet import Quiet
from shared.scripts import RedisClient

log = structlog.get_logger()

#: Entries that one look takes over at most.
CLAIM_COUNT: Final = 64
#: Looks within one lease, and the shortest pause between two in seconds.
LOOKS: Final = 40
SHORTEST_PAUSE: Final = 0.05
#: The part of a lease that the living get to renew theirs after an outage; they do so three times per lease, after a
#: pause of at most a quarter of it.
RENEWAL_TIME: Final = 0.6
#: Where a look through the pending list begins.
_START: Final = "-"

Work = Callable[[Source, Sequence[Entry]], Coroutine[Any, Any, None]]
Bury = Callable[[Source, Entry], Awaitable[None]]


@dataclass(slots=True)
class _Seen:
    """What the last look at one source told."""

    cursor: str = _START
    #: Fresh entries that there was no room for.
    fresh: int = 0


class _Found(NamedTuple):
    """What a claim took, where the next look goes on, and how many it left or, of suspects, saw."""

    cursor: str
    entries: list[Entry]
    suspects: int
    fresh: int
    spent: int


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes over: its name, how long a lease is in seconds, and from how many starts on an entry is spent."""

    consumer: str
    lease: float
    max_attempts: int
    work: Work
    bury: Bury


@dataclass(slots=True)
class Takeover:
    """Looks for entries of one process's sources and runs them through `taker.work`."""

    redis: RedisClient
    taker: Taker
    quiet: Quiet
    outage: Outage
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _begun: float = field(default_factory=time.monotonic)
    _script: AsyncScript = field(init=False)

    def __post_init__(self) -> None:
        self._script = scripts.load(self.redis, "claim")

    @property
    def pause(self) -> float:
        """Seconds between two looks."""
        return max(self.taker.lease / LOOKS, SHORTEST_PAUSE)

    async def look(self, source: Source) -> None:
        """Take over what there is room for; run a suspect alone if there is one and it is this process's turn."""
        if self.quiet.shut:
            return
        found = await self._look(source, min(self.quiet.room(source), CLAIM_COUNT))
        if found.spent and self._renewals_are_through():
            await self._bury_spent(source)
        if found.suspects and self._renewals_are_through():
            await self._run_suspects(source)

    async def take(self, source: Source, count: int) -> list[Entry]:
        """At most `count` fresh entries for a lane that would read now; none, without asking, when none were seen."""
        seen = self._seen.setdefault(source.stream, _Seen())
        if not seen.fresh:
            return []
        seen.fresh = 0
        found = await self._claim(source, _START, count, turn=0, what="fresh")
        seen.fresh = found.fresh
        return found.entries

    async def finish(self) -> None:
        """Cancel what is still in work."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, source: Source, room: int) -> _Found:
        seen = self._seen.setdefault(source.stream, _Seen())
        found = await self._claim(source, seen.cursor, room, turn=self.pause, what="look")
        seen.cursor, seen.fresh = found.cursor, found.fresh
        if found.entries:
            self.quiet.enter()
            task = self._keep(self.taker.work(source, found.entries))
            task.add_done_callback(lambda _: self.quiet.exit())
        return found

    async def _bury_spent(self, source: Source) -> None:
        found = await self._claim(source, _START, 0, turn=0, what="spent")
        for entry in found.entries:
            await self.taker.bury(source, entry)

    async def _run_suspects(self, source: Source) -> None:
        async def still_waiting() -> bool:
            return (await self._claim(source, _START, 0, turn=0, what="peek")).suspects > 0

        async with self.quiet.alone(still_waiting, every=self.pause) as alone:
            until = time.monotonic() + self.taker.lease
            while alone and time.monotonic() < until:
                entries = (await self._claim(source, _START, 0, turn=0, what="suspect")).entries
                if not entries:
                    return
                log.warning("takes over what a silent worker left", stream=source.stream, entry=entries[0].id)
                # A drain ends this look; the work itself is then finished within the grace.
                await asyncio.shield(self._keep(self.taker.work(source, entries)))

    async def _claim(self, source: Source, cursor: str, room: int, *, turn: float, what: str) -> _Found:
        taker = self.taker
        names = [source.stream, f"turn:{source.group}:{source.stream}", f"seeker:{source.group}:{source.stream}"]
        began = time.monotonic()
        next_cursor, claimed, *counts = await self._script(
            keys=names,
            args=[
                *(source.group, taker.consumer, int(taker.lease * 1000), cursor, room),
                *(taker.max_attempts, int(turn * 1000), what),
            ],
        )
        self.outage.over(began=began)
        entries = [
            Entry(entry_id.decode(), dict(zip(fields[::2], fields[1::2], strict=True)), int(starts))
            for entry_id, starts, fields in claimed
        ]
        text = next_cursor.decode() if isinstance(next_cursor, bytes) else next_cursor
        return _Found(text, entries, *map(int, counts))

    def _renewals_are_through(self) -> bool:
        if self.outage.ongoing:
            return False
        return time.monotonic() - max(self._begun, self.outage.ended) > RENEWAL_TIME * self.taker.lease

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
