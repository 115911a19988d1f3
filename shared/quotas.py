"""How much one API key may ask for: requests, and bytes of uploads, counted in Redis for all replicas together.

A key, not its owner: one program that runs wild uses up its own share, and the other keys of its owner go on.

While Redis is away nothing is counted and nothing is refused here; what needs Redis is refused where it is needed.
"""

import math
import time
from typing import Final

import structlog
from limits import RateLimitItem, parse_many
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from shared.errors import RateLimited
from shared.scripts import RedisClient

log = structlog.get_logger()

#: Bytes are counted in units of so many, so that counters stay small.
KIB: Final = 1024


class _Storage(RedisStorage):
    """Counts through the client of the service, which may be one of a cluster."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        # The address is only read for its kind.
        super().__init__("async+redis://localhost:6379", implementation="redispy", key_prefix="quota")

    def configure_bridge(self) -> None:
        """Where the library would open connections of its own."""
        self.bridge.connection_getter = lambda _: self._redis  # type: ignore[attr-defined] # of redis-py's bridge


class Quotas:
    """Counts what is done with each key, by its id.

    `requests` and `kibibytes` are limits such as `600/minute; 20000/day`; empty: no limit.
    """

    def __init__(self, redis: RedisClient, *, requests: str, kibibytes: str = "") -> None:
        """Raises ValueError for a limit that cannot be read."""
        storage = _Storage(redis)
        # Requests over a window that slides, for they come in bursts; bytes by the clock, for days are long.
        self._requests = SlidingWindowCounterRateLimiter(storage)
        self._bytes = FixedWindowRateLimiter(storage)
        self._request_limits = parse_many(requests) if requests else []
        self._byte_limits = parse_many(kibibytes) if kibibytes else []

    async def request(self, key: str) -> None:
        """Count one request. Raises RateLimited."""
        for limit in self._request_limits:
            await _count(self._requests, limit, ("requests", key), 1, "requests")

    async def check_bytes(self, key: str, size: int | None) -> None:
        """Raise RateLimited when an upload of `size` bytes (none: unknown) would be too much; counts nothing."""
        for limit in self._byte_limits:
            try:
                fits = await self._bytes.test(limit, "kibibytes", key, cost=_kibibytes(size or 0))
                if not fits:
                    raise await _refusal(self._bytes, limit, ("kibibytes", key), "KiB of uploads")
            except RedisError as error:
                log.warning("quota not checked", reason=str(error))

    async def count_bytes(self, key: str, size: int) -> None:
        """Count an image that came. Raises RateLimited, and counts nothing then."""
        await self.check_bytes(key, size)
        for limit in self._byte_limits:
            await _count(self._bytes, limit, ("kibibytes", key), _kibibytes(size), "KiB of uploads")


async def _count(limiter: RateLimiter, limit: RateLimitItem, of: tuple[str, str], cost: int, what: str) -> None:
    try:
        if not await limiter.hit(limit, *of, cost=cost):
            raise await _refusal(limiter, limit, of, what)
    except RedisError as error:
        log.warning("quota not counted", reason=str(error))


async def _refusal(limiter: RateLimiter, limit: RateLimitItem, of: tuple[str, str], what: str) -> RateLimited:
    window = await limiter.get_window_stats(limit, *of)
    wait = max(1, math.ceil(window.reset_time - time.time()))
    return RateLimited(
        f"This key may have {limit.amount} {what} per {limit.multiples} {limit.GRANULARITY.name}.", retry_after=wait
    )


def _kibibytes(size: int) -> int:
    return max(1, math.ceil(size / KIB))
