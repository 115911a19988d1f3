"""Telling a blob store that is away, or takes nothing, from one image that it does not serve."""

import asyncio
import random
from typing import Final

from shared.blobs import BlobStore
from shared.errors import StorageUnavailable
from shared.outage import Outage

#: Seconds that the store may take to say that it is well.
_PATIENCE: Final = 5.0
#: Seconds before an image is tried again while the store is well; doubled from try to try.
_FIRST_PAUSE: Final = 0.1


class StoreWatch:
    """Waits out a store that is away, for every image that needs it, with one log line per outage."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._outage = Outage("blob store")

    def answered(self) -> None:
        """An image came through: the store is there."""
        self._outage.over()

    async def check(self) -> None:
        """Raise StorageUnavailable unless the store answers and takes results (for readiness).

        A store that took none is tried as long as it counts as away, for no image may be left that waits for it.
        """
        await self._store.check_taking()
        if self._outage.ongoing:
            await self._store.check_writing()
            self._outage.over()

    async def wait(self, error: Exception, tries: int) -> bool:
        """Pause after a fault of the store; whether the store is well, so that the fault is of this one image."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._store.check_writing()
        except (StorageUnavailable, TimeoutError):
            await self._outage.wait(error)
            return False
        self._outage.over()
        await asyncio.sleep(_FIRST_PAUSE * 2 ** (tries - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        return True
