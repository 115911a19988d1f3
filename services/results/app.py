"""The results service: projects events into job state and serves state, bytes and live events."""

from typing import Any

import structlog
from fastapi import FastAPI
from redis.asyncio import BlockingConnectionPool, Redis

from services.results import batches, dead_letters, downloads, events, jobs
from services.results.context import Context
from services.results.letters import Letters
from services.results.listen import Listener
from services.results.metrics import ResultsMetrics
from services.results.obituary import progress_obituary
from services.results.projection import Projection
from services.results.reader import Reader
from services.results.replay import Replayer
from services.results.settings import ResultsSettings
from shared import keys, problems
from shared.blobs import BlobStore
from shared.entries import Source
from shared.health import Health
from shared.lanes import SteadyDoor
from shared.stage import Stage

log = structlog.get_logger()

#: Connections to Redis of one process at most; who comes later waits.
_CONNECTIONS = 64


class ResultsService:
    """See `shared.service.Service`."""

    name = "results"

    def __init__(self, settings: ResultsSettings | None = None, *, version: str = "0.1.0") -> None:
        self.settings = settings or ResultsSettings()
        self.health = Health(self.name, version)
        self.metrics = ResultsMetrics()
        self.registry = self.metrics.registry
        self.redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                self.settings.redis_url, max_connections=_CONNECTIONS, timeout=5, health_check_interval=10
            )
        )
        self.store = BlobStore(self.settings.blob_url)
        self.listener = Listener(self.redis, draining=lambda: self.health.draining)
        self.projection = Projection(self.redis, retention=self.settings.retention, metrics=self.metrics)
        self.stage = Stage(
            self.settings,
            self.redis,
            [
                Source(keys.progress(partition), keys.RESULTS_GROUP, partition)
                for partition in range(self.settings.partitions)
            ],
            self.projection.handle,
            door=SteadyDoor(self.settings.results_batch),
            lanes=self.settings.results_lanes,
            obituary=progress_obituary,
        )
        self.app: FastAPI = make_app(self._context())
        self.health.add("stage", self.stage.check)
        self.health.add("redis", self._ping)
        self.health.add("store", self.store.check)

    async def start(self) -> None:
        await self.stage.start()

    async def refresh_metrics(self) -> None:
        """Bring gauges up to date before a scrape."""
        self.metrics.streams.set(self.listener.clients)

    async def drain(self) -> None:
        """Finish the batches in work, end the streams of events, close the connections."""
        await self.listener.close()
        await self.stage.drain()
        await self.redis.aclose()

    async def _ping(self) -> None:
        await self.redis.ping()

    def _context(self) -> Context:
        reader = Reader(self.redis, partitions=self.settings.partitions)
        return Context(
            settings=self.settings,
            redis=self.redis,
            reader=reader,
            listener=self.listener,
            letters=Letters(self.redis, partitions=self.settings.partitions),
            replayer=Replayer(reader),
            store=self.store,
            metrics=self.metrics,
        )


def make_app(context: Context | None) -> FastAPI:
    """The routes of this service alone. Without a context they can be described, not called."""
    app = FastAPI(title="Darkroom results", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context
    for module in _modules():
        app.include_router(module.router)
    problems.install(app)
    return app


def _modules() -> list[Any]:
    return [jobs, downloads, events, batches, dead_letters]
