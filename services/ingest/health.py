"""Whether the whole of Darkroom is well, as the origin answers it: Redis, the store, workers, results."""

import asyncio
from functools import partial
from typing import Final

from redis.exceptions import ResponseError

from shared import keys, schema
from shared.blobs import BlobStore
from shared.errors import NoCatalogue, StorageUnavailable
from shared.health import Health
from shared.scripts import RedisClient

#: Milliseconds after which a consumer that asked for nothing counts as gone; a live one asks several times a second.
_SILENT: Final = 30_000


def service_health(version: str, redis: RedisClient, store: BlobStore) -> Health:
    """The health of ingest alone, for its admin port: it takes uploads while Redis and the store are there and ours."""
    health = Health("ingest", version)
    _add_storage(health, redis, store)
    return health


def origin_health(version: str, redis: RedisClient, store: BlobStore, *, partitions: int = 1) -> Health:
    """The health of the whole: somebody also works and somebody tells the results."""
    health = Health("darkroom", version, is_public=True)
    _add_storage(health, redis, store)

    async def workers() -> None:
        if not await has_live_worker(redis):
            raise NoCatalogue("no worker is alive")

    async def results() -> None:
        streams = [keys.progress(partition) for partition in range(partitions)]
        read = await asyncio.gather(*(_is_read(redis, stream, keys.RESULTS_GROUP) for stream in streams))
        if not all(read):
            raise StorageUnavailable(f"nobody reads the results of {streams[read.index(False)]}")

    health.add("workers", workers)
    health.add("results", results)
    return health


async def has_live_worker(redis: RedisClient) -> bool:
    """Whether an engine version proved within HEARTBEAT_TTL that it is alive."""
    engines = await redis.hkeys(keys.CATALOGUE_KEY)
    beats = [keys.HEARTBEAT_PREFIX + (e.decode() if isinstance(e, bytes) else e) for e in engines]
    return bool(beats) and any([await redis.exists(beat) for beat in beats])


async def _is_read(redis: RedisClient, stream: str, group: str) -> bool:
    try:
        consumers = await redis.xinfo_consumers(stream, group)
    except ResponseError:  # no such stream or group yet
        return False
    return any(
        consumer["name"] not in (keys.RELEASED, keys.RELEASED.encode()) and int(consumer["idle"]) < _SILENT
        for consumer in consumers
    )


def _add_storage(health: Health, redis: RedisClient, store: BlobStore) -> None:
    health.add("redis", partial(schema.check, redis))
    health.add("store", store.check_taking)
