from collections.abc import AsyncIterator

import httpx
import pytest
from redis import Redis

from services.results.app import ResultsService
from services.results.settings import ResultsSettings
from shared.service import Server
from tests.results.story import Story


@pytest.fixture
def one_server(valkey: str) -> str:
    """URL of an empty Valkey, for tests of what does not depend on the server."""
    with Redis.from_url(valkey) as client:
        client.flushall()
    return valkey


@pytest.fixture
async def story(redis_url: str) -> AsyncIterator[Story]:
    begun = await Story.begin(redis_url)
    yield begun
    await begun.end()


@pytest.fixture
def settings(redis_url: str, blob_url: str) -> ResultsSettings:
    return ResultsSettings(redis_url=redis_url, blob_url=blob_url, event_keep_alive=0.3, retention=3600)


class Replica:
    """One results service that serves HTTP; its stage does not run, tests project by hand."""

    def __init__(self, settings: ResultsSettings) -> None:
        self.service = ResultsService(settings)
        self.server = Server(self.service.app, "127.0.0.1", 0, grace=2)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.client = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=10)

    async def start(self) -> None:
        await self.server.start()

    async def stop(self) -> None:
        await self.client.aclose()
        self.service.health.draining = True
        await self.server.stop()
        await self.service.listener.close()
        await self.service.redis.aclose()


@pytest.fixture
async def replica(settings: ResultsSettings) -> AsyncIterator[Replica]:
    made = Replica(settings)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def other_replica(settings: ResultsSettings) -> AsyncIterator[Replica]:
    made = Replica(settings)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def http(replica: Replica) -> httpx.AsyncClient:
    return replica.client
