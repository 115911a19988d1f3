"""One Redis, one blob store: noticed at once when a service was started with another store than its fellows.

Two machines with a folder each would otherwise accept pictures that the other cannot find. The store carries an id in
an object, Redis remembers the id, and every service compares them while it starts. What is away then is waited for:
nothing is taken or worked on before both have answered, however late that is.
"""

import asyncio
from typing import Final
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from shared import keys
from shared.blobs import BlobStore
from shared.errors import SourceNotFound, StorageUnavailable
from shared.outage import Outage
from shared.scripts import RedisClient

log = structlog.get_logger()

#: The object that carries the id.
OBJECT: Final = "store-id"


#: Seconds that a start waits for an answer where it need not have one.
_PATIENCE: Final = 2.0


class ForeignStore(Exception):
    """The blob store is not the one that the jobs of this Redis are in."""


class StoreIdentity:
    """Compares the store of a service with the one that Redis knows."""

    def __init__(self, redis: RedisClient, store: BlobStore, *, wanted: bool = True) -> None:
        self._redis = redis
        self._store = store
        # What is in memory is of one process alone, and meant so.
        self._confirmed = not wanted or store.url.startswith("memory:")

    async def start(self) -> None:
        """Raise ForeignStore when it is known now; what is away now is compared when it is back, by `check`."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.check()
        except (StorageUnavailable, RedisError, OSError, TimeoutError) as error:
            log.warning("blob store not compared yet", reason=type(error).__name__)

    async def confirm(self, outage: Outage) -> None:
        """Wait until Redis, whose `outage` it is, and the store have both answered. Raises ForeignStore."""
        away = Outage("blob store")
        while True:
            try:
                await outage.persist(self.check)
            except StorageUnavailable as error:
                await away.wait(error)
            else:
                away.over()
                return

    async def require(self) -> None:
        """Raise StorageUnavailable, or what Redis raises, unless the store is known to be the right one."""
        try:
            await self.check()
        except ForeignStore as error:
            raise StorageUnavailable(
                "This service has another blob store than the others; it takes nothing."
            ) from error

    async def check(self) -> None:
        """Raise ForeignStore, or what Redis and the store raise while they are away. Once confirmed it is cheap."""
        if self._confirmed:
            return
        own = await self._own()
        await self._redis.set(keys.STORE_KEY, own, nx=True)
        known = await self._redis.get(keys.STORE_KEY)
        if known != own:
            raise ForeignStore(
                f"The blob store of this service is not the one of the others on this Redis. Give all services one "
                f"DARKROOM_BLOB_URL; after a move to another store on purpose, delete the key {keys.STORE_KEY!r}."
            )
        self._confirmed = True

    async def _own(self) -> bytes:
        """The id of the store, made up if it has none yet. Who comes first wins: it is read again after writing."""
        try:
            return bytes(await self._store.get_async(OBJECT))
        except SourceNotFound:
            await self._store.create_async(OBJECT, uuid4().hex.encode())
            return bytes(await self._store.get_async(OBJECT))
