"""Ingest and results at one origin as a fleet has them, with API keys of several owners; jobs are told by hand."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from redis import Redis

from infra.origin import dispatch
from services.ingest.app import IngestService
from services.ingest.settings import IngestSettings
from services.results.app import ResultsService
from services.results.settings import ResultsSettings
from shared import catalogue
from shared.api_keys import SCOPES, ApiKey, Scope, add_key
from shared.blobs import BlobStore
from shared.catalogue import FilterDocument
from shared.service import Server
from tests.ingest.pictures import picture
from tests.results.story import Story

SEPIA = FilterDocument("sepia", "Brown tones.", {"type": "object", "properties": {}, "additionalProperties": False})


@dataclass
class Origin:
    """One running origin. Its address is a plain one, so that no name needs to be allowed."""

    url: str
    key_file: Path
    story: Story
    store: BlobStore
    http: httpx.AsyncClient
    registries: tuple[CollectorRegistry, CollectorRegistry]

    def new_key(self, name: str, *scopes: Scope) -> tuple[ApiKey, str]:
        return add_key(self.key_file, name, scopes or SCOPES)

    def key(self, name: str, *scopes: Scope) -> dict[str, str]:
        """The header of a new key."""
        return {"Authorization": f"Bearer {self.new_key(name, *scopes)[1]}"}

    async def upload(self, headers: dict[str, str], **query: str) -> dict[str, Any]:
        """A new job; its document of the 202 with the batch."""
        answer = await self.http.post(
            "/v1/images", params={"filters": "sepia", **query}, content=picture(), headers=headers
        )
        assert answer.status_code == 202, answer.text
        body: dict[str, Any] = answer.json()
        return {**body["jobs"][0], "batch": body["batch"]}


Open = Callable[..., Awaitable[Origin]]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with the key of one owner."""
    file = tmp_path / "keys.json"
    add_key(file, "alice", SCOPES)
    return file


@pytest.fixture
async def open_origin(valkey: str, blob_url: str, key_file: Path) -> AsyncIterator[Open]:
    """Starts an origin with given settings; with keys unless told otherwise."""
    with Redis.from_url(valkey) as client:
        client.flushall()
    running: list[tuple[Origin, IngestService, ResultsService, Server]] = []

    async def opened(*, keys: bool = True, **settings: Any) -> Origin:  # noqa: ANN401 - any setting
        given: dict[str, Any] = {"redis_url": valkey, "blob_url": blob_url, **settings}
        if keys:
            given["api_keys_file"] = key_file
        ingest = IngestService(IngestSettings(**given))
        await ingest.start()
        results = ResultsService(ResultsSettings(**given))
        assert ingest.app is not None
        server = Server(dispatch(ingest.app, results.app), "127.0.0.1", 0, grace=2)
        await server.start()
        story = await Story.begin(valkey)
        await catalogue.publish(story.redis, "engine-1", [SEPIA])
        url = f"http://127.0.0.1:{server.port}"
        http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=20)
        origin = Origin(url, key_file, story, BlobStore(blob_url), http, (ingest.registry, results.registry))
        running.append((origin, ingest, results, server))
        return origin

    yield opened
    for origin, ingest, results, server in running:
        await origin.http.aclose()
        results.health.draining = True
        await results.listener.close()
        await server.stop()
        await ingest.drain()
        await results.redis.aclose()
        await origin.story.end()


@pytest.fixture
async def origin(open_origin: Open) -> Origin:
    return await open_origin()
