"""Consumer groups: made before anything reads, measured for backlog and metrics, trimmed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import ResponseError

from shared import keys, scripts
from shared.entries import Source
from shared.scripts import RedisClient

log = structlog.get_logger()

#: What a group that is not ours may hold back: entries, and milliseconds.
FOREIGN_ENTRIES: Final = 1_000_000
FOREIGN_AGE_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a group has before it.

    `lag` counts entries never read, `pending` those read and not acknowledged; `oldest_ms` is the age of the oldest of
    both in milliseconds, 0 when there is none.
    """

    length: int
    lag: int
    pending: int
    oldest_ms: int

    @property
    def waiting(self) -> int:
        return self.lag + self.pending


async def ensure(redis: RedisClient, source: Source) -> None:
    """Make the group at the beginning of its stream, and the stream if needed; nothing when both are there."""
    await scripts.load(redis, "ensure")(keys=[source.stream], args=[source.group])


async def backlog(redis: RedisClient, source: Source) -> Backlog:
    """Measure one group; all zero when the stream or the group is not there."""
    try:
        length = await redis.xlen(source.stream)
        groups = await redis.xinfo_groups(source.stream)
    except ResponseError as error:
        if "no such key" in str(error):
            return Backlog(0, 0, 0, 0)
        raise
    info = next((group for group in groups if _text(group["name"]) == source.group), None)
    if info is None:
        return Backlog(length, length, 0, 0)
    # The server cannot tell the lag after entries in the middle were deleted; the length is the upper bound.
    lag = length if info["lag"] is None else int(info["lag"])
    return Backlog(length, lag, int(info["pending"]), await _oldest_ms(redis, source, info, lag=lag))


async def _oldest_ms(redis: RedisClient, source: Source, info: dict[str, Any], *, lag: int) -> int:
    first = ""
    if info["pending"]:
        first = _text((await redis.xpending(source.stream, source.group))["min"])
    elif lag:
        unread: Any = await redis.xrange(source.stream, min=f"({_text(info['last-delivered-id'])}", count=1)
        first = _text(unread[0][0]) if unread else ""
    if not first:
        return 0
    seconds, micros = await redis.time()
    return max(0, seconds * 1000 + micros // 1000 - int(first.split("-")[0]))


class Housekeeper:
    """Trims a stream behind its groups and hands on what a draining consumer holds."""

    def __init__(self, redis: RedisClient, *, lease_ms: int) -> None:
        self._redis = redis
        self._trim = scripts.load(redis, "trim")
        self._release = scripts.load(redis, "release")
        self._lease_ms = lease_ms

    async def trim(self, stream: str, own_groups: Sequence[str]) -> int:
        """Remove what every group acknowledged; returns how many entries went."""
        removed, overrun = await self._trim(keys=[stream], args=[FOREIGN_ENTRIES, FOREIGN_AGE_MS, *own_groups])
        if overrun:
            log.error("foreign groups fell too far behind and lose entries", stream=stream, groups=overrun)
        return int(removed)

    async def release(self, source: Source, consumer: str) -> int:
        """At drain: hand on everything that `consumer` still has pending and delete it."""
        args: list[str | int] = [source.group, consumer, keys.RELEASED, self._lease_ms, 1, 0]
        return int(await self._release(keys=[source.stream], args=args))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
