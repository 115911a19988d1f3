"""An ingest service that was there before Redis, with another store than its fellows, takes nothing."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from shared import keys
from shared.blobs import BlobStore
from shared.store_identity import ForeignStore, StoreIdentity
from tests.ingest.pictures import picture
from tests.ingest.running import Start, assert_problem
from tests.support.proxy import Proxy


async def test_nothing_is_taken_into_a_store_that_is_not_known_to_be_the_one(
    start: Start, redis_url: str, tmp_path: Path
) -> None:
    others = BlobStore((tmp_path / "others").as_uri())
    async with Redis.from_url(redis_url) as redis:
        await StoreIdentity(redis, others).start()
    with Proxy(urlsplit(redis_url).port or 0).running() as network:
        network.cut()
        ingest = await start(redis_url=f"redis://127.0.0.1:{network.port}/0", workers=False)
        assert_problem(await ingest.http.post("/v1/images", content=picture()), 503, "storage_unavailable")
        network.mend()
        answer = assert_problem(await ingest.http.post("/v1/images", content=picture()), 503, "storage_unavailable")
        assert "another blob store" in answer["detail"]
        assert not await ingest.entries()
        assert await ingest.store.days("originals") == []
        with pytest.raises(ForeignStore):
            await ingest.service.watch()
        await ingest.redis.delete(keys.STORE_KEY)
        await ingest.service.watch()
