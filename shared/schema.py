"""The version of the data in Redis: written by the first service, checked by every one that starts.

A service of another version would read keys in a way that they were not written. It refuses to start instead, and says
what to do (see docs/reliability.md).
"""

import asyncio
from typing import Final

from redis.exceptions import RedisError

from shared import keys
from shared.scripts import RedisClient, load

#: Seconds that a start waits for an answer where it does not wait for Redis.
_PATIENCE: Final = 2.0


class WrongSchema(Exception):
    """The data in Redis was written by a version of Darkroom with another layout."""


async def check(redis: RedisClient) -> None:
    """Note the version where there is none yet. Raises WrongSchema when there is another one."""
    found = await load(redis, "schema")(keys=[keys.SCHEMA_KEY], args=[keys.SCHEMA_VERSION])
    text = found.decode(errors="replace") if isinstance(found, bytes) else str(found)
    if text != str(keys.SCHEMA_VERSION):
        raise WrongSchema(
            f"The data in Redis has layout {text}, this Darkroom needs {keys.SCHEMA_VERSION}. "
            "Run the version that wrote it until its queue is empty, or use an empty Redis."
        )


async def check_if_there(redis: RedisClient) -> None:
    """The same for who starts without Redis too: what is away now is left to readiness, which checks again."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await check(redis)
    except (RedisError, OSError, TimeoutError):
        return
