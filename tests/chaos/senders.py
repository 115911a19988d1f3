"""Clients in the storm: by HTTP with retries under one idempotency key, and straight to the stream with XADD.

Some of those by HTTP send batches, each of whose jobs comes with a request of its own and names a webhook.
"""

import asyncio
import itertools
import random
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import httpx
import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared import keys
from shared.blobs import BlobStore
from shared.errors import StorageUnavailable
from shared.events import ImageUploaded, encode
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger, Promise, Whole
from tests.chaos.orders import Order, Orders
from tests.chaos.thoughts import Thoughts

#: Pause of a client before it tries again, in seconds.
_RETRY: Final = 0.2
_AGAIN: Final = frozenset({502, 503, 504})
#: The share of what is sent by HTTP that is a batch.
_BATCHES: Final = 0.15


class Senders:
    """Sends until `stop` is set or `limit` jobs were accepted."""

    def __init__(self, fleet: Fleet, ledger: Ledger, *, seed: int, limit: int, pause: float, webhook: str) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._random = random.Random(seed + 1)
        self._orders = Orders(seed)
        self._thoughts = Thoughts(fleet, ledger, seed=seed)
        self._limit = limit
        self._pause = pause
        self._webhook = webhook
        self._sent = itertools.count()
        self._group = asyncio.TaskGroup()
        self.stop = asyncio.Event()

    async def run(self, *, http: int, stream: int) -> None:
        """So many clients of each kind at once; returns when all have stopped and had their second thoughts."""
        async with self._group as group:
            for _ in range(http):
                group.create_task(self._by_http())
            for _ in range(stream):
                group.create_task(self._by_stream())

    def _more(self) -> bool:
        return not self.stop.is_set() and next(self._sent) < self._limit

    async def _by_http(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
            while self._more():
                if self._random.random() < _BATCHES:
                    await self._post_batch(client)
                else:
                    await self._post(client, self._orders.by_http(), {})
                await asyncio.sleep(self._pause)

    async def _post_batch(self, client: httpx.AsyncClient) -> None:
        orders = self._orders.of_a_batch()
        batch = Whole(keys.new_id(0))
        about = {"batch": batch.batch_id, "expected": str(len(orders)), "webhook": self._webhook}
        self._ledger.batches.append(batch)
        for order in orders:
            await self._post(client, order, about, batch)

    async def _post(
        self, client: httpx.AsyncClient, order: Order, about: Mapping[str, str], batch: Whole | None = None
    ) -> None:
        key = uuid4().hex
        headers = {"Idempotency-Key": key, "Content-Type": "image/png"}
        query = {"filters": msgspec.json.encode(order.filters).decode(), **about}
        if self._random.random() < 0.2:
            query["priority"] = "bulk"
        while True:
            url = self._random.choice(self._fleet.ingest) + "/v1/images"
            try:
                answer = await client.post(url, params=query, content=order.image, headers=headers)
            except httpx.TransportError:
                self._ledger.retried += 1
            else:
                if answer.status_code == 202:
                    self._promise(answer.json()["jobs"][0]["id"], order, batch=batch)
                    return
                self._ledger.retried += 1
                if answer.status_code not in _AGAIN:
                    self._ledger.errors.append(f"{answer.status_code} {answer.text[:300]}")
                    return
                if "retry-after" not in answer.headers:
                    self._ledger.errors.append(f"{answer.status_code} without Retry-After")
            await asyncio.sleep(_RETRY * self._random.uniform(0.5, 1.5))

    async def _by_stream(self) -> None:
        store = BlobStore(self._fleet.blob_url)
        redis = Redis.from_url(self._fleet.redis_url, retry=Retry(NoBackoff(), 0), socket_timeout=10)
        async with redis:
            while self._more():
                try:
                    await self._add(redis, store, self._orders.by_stream())
                except (RedisError, OSError, StorageUnavailable):
                    # Whether the entry arrived is not known, so nothing is promised.
                    self._ledger.unknown += 1
                    await asyncio.sleep(_RETRY)
                await asyncio.sleep(self._pause)

    async def _add(self, redis: Redis, store: BlobStore, order: Order) -> None:
        bulk = self._random.random() < 0.2
        stream = keys.uploaded(0, bulk=bulk)
        if order.nonsense is not None:
            entry_id = await _published(redis, stream, order.nonsense)
            nonsense = f"{stream} {entry_id}"
            self._ledger.nonsense.append(nonsense)
            self._promise(keys.job_of_entry(0, entry_id, bulk=bulk), order, nonsense=nonsense)
            return
        source = f"inbox/{uuid4().hex}"
        if not order.missing:
            await store.put_async(source, order.image)
        event = ImageUploaded(source=source, filters=order.filters)
        entry_id = await _published(redis, stream, encode(event))
        self._promise(keys.job_of_entry(0, entry_id, bulk=bulk), order)

    def _promise(self, job_id: str, order: Order, *, batch: Whole | None = None, nonsense: str = "") -> None:
        promise = Promise(job_id, frozenset({order.expected}), order.twin)
        self._ledger.promises.append(promise)
        if batch is not None:
            batch.jobs.append(job_id)
        if order.afterthought:
            self._group.create_task(self._thoughts.follow(promise, order, batch, nonsense))


async def _published(redis: Redis, stream: str, data: bytes) -> str:
    entry_id = await redis.xadd(stream, {b"data": data})
    assert isinstance(entry_id, bytes)
    return entry_id.decode()
