"""The reaper: deletes consumers whose process is gone, after handing on what they held.

How long a consumer was silent is told by the server's clock, and that runs on while nobody can reach the server, and
while a whole machine stands still. So silence counts only as far as this process watched it: from the first look in
which the consumer had not moved since the one before, without an outage and without a gap between looks.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from shared import keys, scripts
from shared.entries import Source
from shared.outage import Outage
from shared.scripts import RedisClient

log = structlog.get_logger()

#: Leases of silence after which a consumer counts as dead.
SILENT_LEASES: Final = 3
#: Where no entry can be: reading one's own pending entries from here returns none and counts no start.
_BEYOND: Final = f"{2**64 - 1}-0"


@dataclass(slots=True)
class _Silence:
    """A consumer's silence: ms that the server told last, and since when it is watched (`time.monotonic`)."""

    idle: int
    since: float


@dataclass(slots=True)
class _Watch:
    """What was seen of one stream's consumers, and when last (`time.monotonic`)."""

    looked: float
    silences: dict[str, _Silence]


class Reaper:
    """Reaps for the process that reads as `consumer`; never that consumer itself. `lease` is in seconds."""

    def __init__(self, redis: RedisClient, *, consumer: str, lease: float, outage: Outage) -> None:
        self._redis = redis
        self._consumer = consumer
        self._lease = lease
        self._outage = outage
        self._release = scripts.load(redis, "release")
        self._watches: dict[str, _Watch] = {}

    async def touch(self, source: Source) -> None:
        """Show that this process lives, also where it reads nothing because its door is full."""
        await self._redis.xreadgroup(source.group, self._consumer, {source.stream: _BEYOND}, count=1)

    async def reap(self, source: Source) -> int:
        """Delete the consumers that were silent for three leases under our eyes; returns how many.

        To be called more often than once per lease: after a longer pause watching begins anew.
        """
        told = await self._redis.xinfo_consumers(source.stream, source.group)
        idle = {_text(info["name"]): int(info["idle"]) for info in told}
        reaped = 0
        for name in self._silent(source, idle):
            silent_ms = int(SILENT_LEASES * self._lease * 1000)
            args: list[str | int] = [source.group, name, keys.RELEASED, int(self._lease * 1000), 0, silent_ms]
            handed = int(await self._release(keys=[source.stream], args=args))
            if handed >= 0:
                reaped += 1
                log.warning("reaped a silent consumer", stream=source.stream, consumer=name, handed_on=handed)
        return reaped

    def _silent(self, source: Source, idle: dict[str, int]) -> Iterable[str]:
        """Those of the consumers that were silent long enough, as far as this process can tell."""
        now = time.monotonic()
        before = self._watches.get(source.stream)
        if before is None or self._outage.ongoing or now - before.looked > self._lease:
            before = _Watch(now, {})
        watch = self._watches[source.stream] = _Watch(now, {})
        for name, ms in idle.items():
            if name in (keys.RELEASED, self._consumer):
                continue
            known = before.silences.get(name)
            watch.silences[name] = _Silence(ms, now if known is None or ms < known.idle else known.since)
        enough = SILENT_LEASES * self._lease
        return [
            name
            for name, silence in watch.silences.items()
            if silence.idle >= enough * 1000 and now - max(silence.since, self._outage.ended) >= enough
        ]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
