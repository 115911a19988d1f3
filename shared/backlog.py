"""How much work waits, and how full Redis is: what ingest refuses uploads by and what a publisher may wait for."""

from typing import Any, Final

from redis.exceptions import ResponseError

from shared import keys
from shared.scripts import RedisClient

#: How Redis says that there is no such stream.
_NO_KEY: Final = "no such key"


async def waiting(redis: RedisClient, stream: str) -> int:
    """Entries of an upload stream that are not done: unread, or read and not acknowledged."""
    try:
        groups = await redis.xinfo_groups(stream)
    except ResponseError as error:
        if _NO_KEY in str(error).lower():
            return 0
        raise
    for group in groups:
        if group["name"] in (keys.PROCESS_GROUP, keys.PROCESS_GROUP.encode()):
            if group["lag"] is None:
                break  # Redis cannot tell after a deletion in the middle; the length is an upper bound.
            return int(group["lag"]) + int(group["pending"])
    return int(await redis.xlen(stream))


async def memory_share(redis: RedisClient) -> float:
    """Share of Redis's maxmemory in use, 0 when there is no limit."""
    info: dict[str, Any] = await redis.info("memory")
    most = int(info.get("maxmemory", 0))
    return int(info["used_memory"]) / most if most else 0.0
