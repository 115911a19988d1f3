"""Leases: which entries this process works on, kept alive while it does, and what became of them meanwhile."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from shared import scripts
from shared.entries import Entry, Source
from shared.outage import Outage
from shared.scripts import RedisClient

log = structlog.get_logger()

Reason = Literal["lost", "cancelled"]

#: Renewals within one lease: two may fail before it runs out.
RENEWALS: Final = 3
#: Entries of one renewing script call.
CHUNK: Final = 100


@dataclass(slots=True, eq=False)
class Held:
    """One entry in work. `job_key`, the `run` of that job and `on_end` are set by whoever can stop the work."""

    source: Source
    entry: Entry
    job_key: str | None = None
    run: int = 0
    on_end: Callable[[Reason], None] | None = None
    #: Whether it still is ours; an entry that ended elsewhere is not renewed any more.
    ours: bool = True


class Leases:
    """The entries in work in this process. Their lease is renewed until they are dropped."""

    def __init__(self, redis: RedisClient, *, consumer: str, outage: Outage) -> None:
        self._renew = scripts.load(redis, "renew")
        self._consumer = consumer
        self._outage = outage
        self._held: dict[tuple[str, str], Held] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, source: Source, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._held[source.stream, entry.id] = Held(source, entry)
            self._empty.clear()

    def drop(self, source: Source, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if self._found(source, entry) is not None:
                del self._held[source.stream, entry.id]
        if not self._held:
            self._empty.set()

    def rest(self, source: Source, entries: Iterable[Entry]) -> None:
        """Renew no more: these are being settled, and what became of them is for the settling script to say."""
        for entry in entries:
            if (held := self._found(source, entry)) is not None:
                held.ours = False

    def watch(self, source: Source, entry: Entry, job_key: str, run: int, on_end: Callable[[Reason], None]) -> None:
        """Call `on_end` once, at the next renewal after the entry was lost, or its job was cancelled or deleted.

        A job that runs anew was cancelled in this run.
        """
        held = self._found(source, entry)
        if held is None or not held.ours:
            on_end("lost")
            return
        held.job_key, held.run = job_key, run
        held.on_end = on_end

    def _found(self, source: Source, entry: Entry) -> Held | None:
        """What is held for this very delivery: a process that stalled may get an entry again while it works on it."""
        held = self._held.get((source.stream, entry.id))
        return held if held is not None and held.entry is entry else None

    async def wait_empty(self) -> None:
        while self._held:
            await self._empty.wait()

    async def renew(self) -> None:
        """Renew every lease once. Raises what Redis raises; entries that were lost meanwhile are told as lost."""
        by_source: dict[Source, list[Held]] = {}
        for held in self._held.values():
            if held.ours:
                by_source.setdefault(held.source, []).append(held)
        renewals = (self._renew_all(source, all_held) for source, all_held in by_source.items())
        # One source may be on a server that is away, and the others not.
        for outcome in await asyncio.gather(*renewals, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _renew_all(self, source: Source, all_held: list[Held]) -> None:
        for start in range(0, len(all_held), CHUNK):
            await self._renew_chunk(source, all_held[start : start + CHUNK])

    async def _renew_chunk(self, source: Source, chunk: list[Held]) -> None:
        began = time.monotonic()
        states = await self._renew(
            keys=[source.stream, *(held.job_key or source.stream for held in chunk)],
            args=[source.group, self._consumer, *(part for held in chunk for part in (held.entry.id, held.run))],
        )
        self._outage.over(began=began)
        for held, state in zip(chunk, states, strict=True):
            # An entry that was settled while the script ran is no longer held, and not lost.
            if state == 1 or not held.ours or self._held.get((source.stream, held.entry.id)) is not held:
                continue
            reason: Reason = "lost" if state == 0 else "cancelled"
            held.ours = False
            if held.on_end is not None:
                log.warning("entry ended elsewhere", stream=source.stream, entry=held.entry.id, reason=reason)
                held.on_end(reason)
