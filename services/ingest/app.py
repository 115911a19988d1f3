"""The ingest service: its parts put together, and its life."""

from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from starlette.types import ASGIApp

from services.ingest.backlog import Backlog
from services.ingest.documents import Documents
from services.ingest.front import Front
from services.ingest.health import origin_health, service_health
from services.ingest.metrics import Metrics
from services.ingest.offer import Offer
from services.ingest.pages import Pages
from services.ingest.settings import IngestSettings
from services.ingest.submit import Uploads
from services.ingest.upload_route import UploadRoute
from services.ingest.web_app import add_documents, web_app
from shared.blobs import BlobStore
from shared.scripts import RedisClient
from shared.submission import Submitter

#: Connections to Redis. Calls are short; one that finds none free waits for one.
_CONNECTIONS: Final = 32
#: Seconds to wait for a connection, and for an answer. Users rather hear 503 soon than wait for long.
_CONNECT_TIMEOUT: Final = 2.0
_ANSWER_TIMEOUT: Final = 5.0


class IngestService:
    """Takes uploads and serves the pages (see `shared.service.Service`)."""

    name = "ingest"

    def __init__(self, settings: IngestSettings) -> None:
        self.settings = settings
        self.registry = CollectorRegistry()
        release = version("darkroom")
        self._redis = connect(settings.redis_url)
        store = BlobStore(settings.blob_url)
        self.health = service_health(release, self._redis, store)
        metrics = Metrics(self.registry)
        offer = Offer(self._redis, settings.catalogue_ttl)
        self.uploads = Uploads(
            settings,
            store=store,
            submitter=Submitter(self._redis),
            offer=offer,
            backlog=Backlog(
                self._redis,
                limit=settings.backlog_limit,
                memory_limit=settings.redis_memory_share,
                interval=settings.backlog_interval,
            ),
            metrics=metrics,
        )
        route = UploadRoute(self.uploads, metrics)
        health = origin_health(release, self._redis, store)
        self.web = web_app(route, offer, health, Pages())
        self.app: ASGIApp | None = Front(route, self.web, metrics)

    async def start(self) -> None:
        """Read the documents. There is nothing to wait for: an upload that comes before Redis does gets a 503."""
        add_documents(self.web, Documents())

    async def refresh_metrics(self) -> None:
        """Nothing to measure: all figures are kept as they happen."""

    async def drain(self) -> None:
        """Let go of Redis; the server has let running uploads finish before."""
        await self._redis.aclose()


def connect(url: str) -> RedisClient:
    """A client that waits for a free connection, and gives up soon when Redis is away."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_CONNECT_TIMEOUT,
        socket_connect_timeout=_CONNECT_TIMEOUT,
        socket_timeout=_ANSWER_TIMEOUT,
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), 3),
    )
    return Redis.from_pool(pool)
