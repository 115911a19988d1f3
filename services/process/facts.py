"""The facts of stored results, kept in Redis until their day is over: an identical request then touches no pixels.

Advisory: what is not found is developed, what cannot be written is only slower next time.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisError

from shared import keys
from shared.events import Result
from shared.scripts import RedisClient

log = structlog.get_logger()

_decoder = msgspec.json.Decoder(Result)


class Facts:
    """Looks up and remembers results by their blob key, which names source, chain, output, engine and day."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    async def find(self, result_keys: Sequence[str]) -> dict[str, Result]:
        """Those results that are known to be stored."""
        if not result_keys:
            return {}
        try:
            values = await self._redis.mget([keys.cache(key) for key in result_keys])
        except (RedisError, OSError) as error:
            log.debug("no facts", error=str(error))
            return {}
        read = {key: _read(key, value) for key, value in zip(result_keys, values, strict=True) if value}
        return {key: result for key, result in read.items() if result is not None}

    async def remember(self, results: Sequence[Result]) -> None:
        try:
            if len(results) == 1:
                # A pipeline costs several times what a command does.
                await self._redis.set(**_fact(results[0]))
            elif results:
                pipeline = self._redis.pipeline(transaction=False)
                for result in results:
                    pipeline.set(**_fact(result))
                await pipeline.execute()
        except (RedisError, OSError) as error:
            log.debug("facts not kept", error=str(error))


def _fact(result: Result) -> dict[str, Any]:
    return {"name": keys.cache(result.key), "value": msgspec.json.encode(result), "ex": _seconds_of_today_left()}


def _read(key: str, value: bytes | str) -> Result | None:
    """The result in a value of the cache; one that cannot be read, or is of another result, is not known."""
    try:
        result = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("a fact cannot be read", result=key, error=str(error))
        return None
    return result if result.key == key else None


def _seconds_of_today_left() -> int:
    """A result is reused only within its UTC day."""
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, int((midnight - now).total_seconds()))
