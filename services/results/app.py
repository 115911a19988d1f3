"""The results service: projects events into job state and serves state, bytes and live events."""

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType
from typing import Final

import structlog
from fastapi import FastAPI
from redis.exceptions import RedisError

from services.results import archive, batches, dead_letters, downloads, events, jobs, queue, sharing
from services.results.context import Context
from services.results.gathering import GatheringDoor
from services.results.janitor import Janitor
from services.results.letters import Letters
from services.results.listen import Listener
from services.results.metrics import ResultsMetrics
from services.results.obituary import progress_obituary, webhook_obituary
from services.results.overview import Overview
from services.results.projection import Projection
from services.results.reader import Reader
from services.results.replay import Replayer
from services.results.settings import ResultsSettings
from services.results.webhooks import LOOK, Webhooks
from shared import keys, problems
from shared.access import Gate
from shared.blobs import BlobStore
from shared.chores import Chore
from shared.connections import connect, patience
from shared.dead_letters import Obituary
from shared.entries import Source
from shared.errors import StorageUnavailable
from shared.front_door import FrontDoor
from shared.guarded import Guarded
from shared.health import Health
from shared.http_telemetry import HttpTelemetry
from shared.lanes import Door, Handler, SteadyDoor
from shared.quotas import Quotas
from shared.stage import Stage, outage_of
from shared.store_identity import StoreIdentity

log = structlog.get_logger()

#: Connections to Redis of one process at most; who comes later waits for one.
_CONNECTIONS: Final = 64
_ROUTES: Final[Sequence[ModuleType]] = (jobs, downloads, sharing, events, batches, archive, dead_letters, queue)


class ResultsService:
    """See `shared.service.Service`."""

    name = "results"

    def __init__(self, settings: ResultsSettings | None = None) -> None:
        self.settings = settings or ResultsSettings()
        self.health = Health(self.name, version("darkroom"))
        self.metrics = ResultsMetrics()
        self.registry = self.metrics.registry
        self.redis = connect(
            self.settings.redis_url,
            cluster=self.settings.redis_cluster,
            most=_CONNECTIONS,
            answer_timeout=patience(self.settings.lease),
        )
        self.store = BlobStore(self.settings.blob_url)
        self._identity = StoreIdentity(self.redis, self.store, wanted=self.settings.store_check)
        self.listener = Listener(self.redis, draining=lambda: self.health.draining)
        # One for all that uses Redis, so that its absence is told once.
        self.outage = outage_of(self.settings)
        self.projection = Projection(
            self.redis, retention=self.settings.retention, metrics=self.metrics, outage=self.outage
        )
        reader = Reader(self.redis, partitions=self.settings.partitions)
        self.overview = Overview(self.redis, partitions=self.settings.partitions, lease=self.settings.lease)
        self.webhooks = Webhooks(self.settings, reader, self.metrics, outage=self.outage)
        self.janitor = Janitor(self.redis, self.store, self.settings, self.metrics)
        self._stages = [
            self._stage(
                keys.RESULTS_GROUP,
                self.projection.handle,
                GatheringDoor(self.settings.results_batch),
                progress_obituary,
            ),
            self._stage(
                keys.HOOKS_GROUP, self.webhooks.handle, SteadyDoor(self.settings.webhook_batch), webhook_obituary
            ),
        ]
        self.projection.consumer, self.webhooks.consumer = (stage.consumer for stage in self._stages)
        self._chores = [
            Chore("bring webhooks back", self.webhooks.bring_all_back, pause=LOOK, outage=self.outage),
            Chore("janitor", self.janitor.once, pause=self.settings.janitor_interval, outage=self.outage),
        ]
        self._tasks: list[asyncio.Task[None]] = []
        quotas = Quotas(self.redis, requests=self.settings.rate_limit)
        gate = Gate(self.settings)
        self.metrics.keys_unreadable.set_function(lambda: gate.is_stale)
        door = FrontDoor(make_app(self._context(reader)), gate, self.settings, quotas)
        self.app = HttpTelemetry(Guarded(door), self.metrics.requests, self.name)
        for name, stage in zip(("projection", "webhooks"), self._stages, strict=True):
            self.health.add(name, stage.check)
        self.health.add("chores", self._check_chores)
        self.health.add("redis", self._ping)
        self.health.add("store", self.store.check)
        self.health.add("store identity", self._identity.check)

    async def start(self) -> None:
        try:
            await self.outage.persist(self._identity.check)
        except StorageUnavailable:
            log.warning("blob store not compared yet")
        for stage in self._stages:
            await stage.start()
        self._tasks = [asyncio.create_task(chore.run()) for chore in self._chores]

    async def watch(self) -> None:
        """Compare a store that was away at the start: what is told of jobs is not held back for it."""
        await self._identity.confirm(self.outage)

    async def refresh_metrics(self) -> None:
        """Bring gauges up to date before a scrape; while Redis is away, those that need it are absent."""
        self.metrics.streams.set(self.listener.clients)
        await self.metrics.backlog.refresh(self.redis, self.overview.sources())
        try:
            self.metrics.show_dead(await self.overview.dead_letters())
        except (RedisError, OSError):
            self.metrics.show_dead([])

    async def drain(self) -> None:
        """End the streams of events, finish the batches in work, close the connections."""
        await self.listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(stage.drain() for stage in self._stages))
        await self.webhooks.close()
        await self.redis.aclose()

    async def _check_chores(self) -> None:
        for chore in self._chores:
            if chore.fault is not None:
                raise chore.fault

    async def _ping(self) -> None:
        await self.redis.ping()

    def _stage(self, group: str, handler: Handler, door: Door, obituary: Obituary) -> Stage:
        stream = keys.progress if group == keys.RESULTS_GROUP else keys.hooks
        return Stage(
            self.settings,
            self.redis,
            [Source(stream(partition), group, partition) for partition in self.settings.taken],
            handler,
            door=door,
            lanes=self.settings.results_lanes,
            obituary=obituary,
            outage=self.outage,
        )

    def _context(self, reader: Reader) -> Context:
        return Context(
            settings=self.settings,
            redis=self.redis,
            reader=reader,
            listener=self.listener,
            letters=Letters(self.redis, partitions=self.settings.partitions),
            replayer=Replayer(reader),
            overview=self.overview,
            store=self.store,
            metrics=self.metrics,
            links=self.settings.links,
        )


def make_app(context: Context | None = None) -> FastAPI:
    """The routes of this service alone. Without a context they can be described, not called."""
    app = FastAPI(title="Darkroom results", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context
    for module in _ROUTES:
        app.include_router(module.router)
    problems.install(app)
    return app
