"""A running ingest service, as tests see it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from redis.asyncio import Redis

from services.ingest.app import IngestService
from shared import keys
from shared.blobs import BlobStore


@dataclass
class Running:
    """A running ingest service, and direct views of what it wrote."""

    service: IngestService
    http: httpx.AsyncClient
    redis: "Redis"
    store: BlobStore
    port: int

    async def entries(self, stream: str = keys.uploaded(0)) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in await self.redis.xrange(stream)]

    async def job(self, job_id: str) -> dict[str, str]:
        fields = await self.redis.hgetall(keys.job(0, job_id))
        return {name.decode(): value.decode() for name, value in fields.items()}


Start = Callable[..., Awaitable[Running]]


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The response is a problem document with this code; returns it."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body.get("code")) == (status, code), body
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body
