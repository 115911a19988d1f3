"""The process service: a consumer group on the upload streams in front of a pool of processes for pixels."""

import asyncio
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from services.process.developer import Developer
from services.process.door import AHEAD, PoolDoor
from services.process.engine import ENGINE_VERSION
from services.process.filters import documents
from services.process.metrics import Metrics
from services.process.pool import Pool
from services.process.settings import ProcessSettings
from shared import catalogue, keys
from shared.blobs import BlobStore
from shared.chores import Chore
from shared.connections import connect, patience
from shared.entries import Source
from shared.health import Health
from shared.stage import Stage
from shared.store_identity import StoreIdentity

log = structlog.get_logger()

#: Seconds between two heartbeats: several may be missed, and a flushed Redis knows the filters again soon.
_HEARTBEAT: Final = keys.HEARTBEAT_TTL / 10


class ProcessService:
    """See `shared.service.Service`."""

    name = "process"
    app = None

    def __init__(self, settings: ProcessSettings) -> None:
        self.settings = settings
        self.registry = CollectorRegistry()
        self.health = Health(self.name, ENGINE_VERSION)
        self._metrics = Metrics(self.registry)
        self._redis = connect(
            settings.redis_url, cluster=settings.redis_cluster, answer_timeout=patience(settings.lease)
        )
        self._store = BlobStore(settings.blob_url, reserve=settings.reserved)
        self._identity = StoreIdentity(self._redis, self._store, wanted=settings.store_check)
        self._pool = Pool(settings)
        self._door = PoolDoor(self._pool.size)
        self._developer = Developer(settings, self._redis, self._store, self._pool, self._door, self._metrics)
        self._sources = [
            Source(keys.uploaded(partition, bulk=bulk), keys.PROCESS_GROUP, partition, bulk)
            for partition in settings.taken
            for bulk in (False, True)
        ]
        self._stage = Stage(
            settings,
            self._redis,
            self._sources,
            self._developer.handle,
            door=self._door,
            lanes=AHEAD * self._pool.size,
            obituary=self._developer.obituary,
        )
        self._developer.serve(self._stage)
        self._beating = Chore("offer filters", self._offer, pause=_HEARTBEAT, outage=self._stage.outage)
        self._heartbeat: asyncio.Task[None] | None = None
        self._counted: dict[str, int] = {}

    async def start(self) -> None:
        """Warm the pool, then read, then offer the filters. Raises WrongSchema and ForeignStore."""
        await self._identity.confirm(self._stage.outage)
        await self._pool.start()
        await self._stage.start()
        await self._stage.outage.persist(self._offer)
        self._heartbeat = asyncio.create_task(self._beating.run())
        self.health.add("redis", self._ping)
        self.health.add("stage", self._stage.check)
        self.health.add("pool", self._check_pool)
        self.health.add("store", self._developer.store.check)
        self.health.add("store identity", self._identity.check)
        self.health.add("filters", self._check_offer)

    async def watch(self) -> None:
        """All was found out while it started."""

    async def refresh_metrics(self) -> None:
        self._metrics.children.set(self._pool.children)
        self._metrics.busy.set(self._pool.busy)
        self._metrics.resident.set(self._pool.resident)
        for reason, count in self._pool.restarts.items():
            self._metrics.restarts.labels(reason).inc(count - self._counted.get(reason, 0))
            self._counted[reason] = count
        await self._metrics.streams.refresh(self._redis, self._sources)

    async def drain(self) -> None:
        await self._stage.drain()
        await self._pool.close(0)
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            await asyncio.gather(self._heartbeat, return_exceptions=True)
        await self._redis.aclose()

    async def _ping(self) -> None:
        await self._redis.ping()

    async def _check_pool(self) -> None:
        if not self._pool.children:
            message = "No pool process is alive."
            raise RuntimeError(message)

    async def _check_offer(self) -> None:
        if self._beating.fault is not None:
            raise self._beating.fault

    async def _offer(self) -> None:
        """Offer the filters of this engine version; repeated for as long as the service lives."""
        await catalogue.publish(self._redis, ENGINE_VERSION, documents())
