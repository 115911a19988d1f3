"""The ingest service: its parts put together, and its life."""

from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from services.ingest.backlog import Backlog
from services.ingest.documents import Documents
from services.ingest.front import Front
from services.ingest.health import origin_health, service_health
from services.ingest.inbox import Inbox, add_inbox
from services.ingest.metrics import Metrics
from services.ingest.offer import Offer
from services.ingest.pages import Pages
from services.ingest.settings import IngestSettings
from services.ingest.submit import Uploads
from services.ingest.upload_route import UPLOAD_PATH, UploadRoute
from services.ingest.web_app import add_documents, web_app
from shared import schema
from shared.access import Gate
from shared.blobs import BlobStore
from shared.connections import connect
from shared.front_door import FrontDoor
from shared.guarded import Guarded
from shared.http_telemetry import HttpTelemetry
from shared.outage import Outage
from shared.quotas import Quotas
from shared.store_identity import StoreIdentity
from shared.submission import Submitter

#: Connections to Redis. Calls are short; one that finds none free waits for one.
_CONNECTIONS: Final = 32


class IngestService:
    """Takes uploads and serves the pages (see `shared.service.Service`)."""

    name = "ingest"

    def __init__(self, settings: IngestSettings) -> None:
        self.settings = settings
        self.registry = CollectorRegistry()
        release = version("darkroom")
        self._redis = connect(settings.redis_url, cluster=settings.redis_cluster, most=_CONNECTIONS)
        store = BlobStore(settings.blob_url, reserve=settings.reserved)
        self._identity = StoreIdentity(self._redis, store, wanted=settings.store_check)
        self.health = service_health(release, self._redis, store)
        self.health.add("store identity", self._identity.check)
        metrics = Metrics(self.registry)
        quotas = Quotas(self._redis, requests=settings.rate_limit, kibibytes=settings.upload_quota)
        inbox = Inbox(store, settings, ours=self._identity.require)
        offer = Offer(self._redis, settings.catalogue_ttl)
        self.uploads = Uploads(
            settings,
            store=store,
            submitter=Submitter(self._redis),
            offer=offer,
            backlog=Backlog(
                self._redis,
                store,
                limit=settings.backlog_limit,
                memory_limit=settings.redis_memory_share,
                interval=settings.backlog_interval,
            ),
            metrics=metrics,
            quotas=quotas,
            inbox=inbox,
        )
        route = UploadRoute(self.uploads, metrics, ours=self._identity.require)
        health = origin_health(release, self._redis, store, partitions=settings.partitions)
        self.web = web_app(route, offer, health, Pages())
        add_inbox(self.web, inbox)
        gate = Gate(settings)
        metrics.keys_unreadable.set_function(lambda: gate.is_stale)
        front = Front(route, self.web, metrics)
        door = FrontDoor(front, gate, settings, quotas, refused=front.refused)
        self.app: ASGIApp | None = HttpTelemetry(Guarded(door), metrics.requests, self.name, [UPLOAD_PATH])

    async def start(self) -> None:
        """Read the documents. Redis is not waited for: an upload that comes before it does gets a 503.

        Raises WrongSchema and ForeignStore.
        """
        add_documents(self.web, Documents())
        await schema.check_if_there(self._redis)
        await self._identity.start()

    async def watch(self) -> None:
        """Compare the store as soon as that can be done; nothing is taken before. Raises ForeignStore."""
        await self._identity.confirm(Outage("redis"))

    async def refresh_metrics(self) -> None:
        """Nothing to measure: all figures are kept as they happen."""

    async def drain(self) -> None:
        """Let go of Redis; the server has let running uploads finish before."""
        await self.uploads.close()
        await self._redis.aclose()
