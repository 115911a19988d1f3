"""The ingest service on real parts: a server, a file store, HTTP on a real port."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from services.ingest.app import IngestService
from services.ingest.settings import IngestSettings
from shared import catalogue
from shared.blobs import BlobStore
from shared.catalogue import FilterDocument
from shared.service import Server
from tests.ingest.running import Running, Start

FILTERS = [
    FilterDocument("sepia", "Brown tones.", {"type": "object", "properties": {}, "additionalProperties": False}),
    FilterDocument(
        "blur",
        "Gaussian blur.",
        {
            "type": "object",
            "properties": {"size": {"type": "integer", "minimum": 1, "maximum": 99, "default": 9}},
            "additionalProperties": False,
        },
    ),
]


@pytest.fixture
def empty_valkey(valkey: str) -> str:
    """URL of an empty Valkey, for modules where the kind of server does not matter."""
    with Redis.from_url(valkey) as client:
        client.flushall()
        client.config_set("maxmemory", 0)
    return valkey


@pytest.fixture
async def start(redis_url: str, blob_url: str) -> AsyncIterator[Start]:
    """Starts the service with given settings; a worker's catalogue is there unless told otherwise."""
    running: list[tuple[Running, Server]] = []

    async def started(*, workers: bool = True, **settings: Any) -> Running:  # noqa: ANN401 - any setting
        given = {"redis_url": redis_url, "blob_url": blob_url, "catalogue_ttl": 0.05, "backlog_interval": 0.05}
        service = IngestService(IngestSettings(**{**given, **settings}))
        await service.start()
        server = Server(service.app, "127.0.0.1", 0)
        await server.start()
        redis = AsyncRedis.from_url(service.settings.redis_url)
        if workers:
            await catalogue.publish(redis, "engine-1", FILTERS)
        http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=20)
        one = Running(service, http, redis, BlobStore(blob_url), server.port)
        running.append((one, server))
        return one

    yield started
    for one, server in running:
        await one.http.aclose()
        await server.stop()
        await one.service.drain()
        await one.redis.aclose()


@pytest.fixture
async def ingest(start: Start) -> Running:
    return await start()
