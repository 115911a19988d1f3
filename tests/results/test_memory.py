"""Redis memory after many finished jobs and their retention is what it was before."""

import time

import pytest
from redis.asyncio import Redis

from services.results.janitor import Janitor
from services.results.metrics import ResultsMetrics
from services.results.settings import ResultsSettings
from shared import keys
from shared.blobs import BlobStore
from shared.groups import Housekeeper
from tests.results.story import SOURCE, Story, processed, upload
from tests.support.parts import LONG

#: A few are enough to show it every day; the longer mode of `.ci/run` takes as many as the promise names.
JOBS = 100_000 if LONG else 3000
#: Jobs told together.
CHUNK = 200
MIB = 1024 * 1024


@pytest.mark.timeout(1200 if LONG else 240)
async def test_memory_after_the_retention_is_what_it_was_before(story: Story, blob_url: str, redis_url: str) -> None:
    await many_jobs(story, CHUNK)
    await retention_passes(story, blob_url, redis_url)
    before = await memory(story.redis)
    await many_jobs(story, JOBS)
    full = await memory(story.redis)
    await retention_passes(story, blob_url, redis_url)
    after = await memory(story.redis)
    assert full - before > MIB, "the jobs took room, else this shows nothing"
    assert after - before < (full - before) / 20


async def many_jobs(story: Story, number: int) -> None:
    """Jobs submitted, developed, projected and trimmed, as the services do it."""
    housekeeper = Housekeeper(story.redis, lease_ms=1000)
    for start in range(0, number, CHUNK):
        names = [f"picture {start + n}.jpg" for n in range(CHUNK)]
        job_ids = await story.submit(*names, batch=keys.new_id(0))
        await story.project(*[processed(upload(job_id)) for job_id in job_ids])
        await housekeeper.trim(SOURCE.stream, [SOURCE.group])
        await story.redis.xtrim(keys.uploaded(0), 0)


async def retention_passes(story: Story, blob_url: str, redis_url: str) -> None:
    """What expires has expired, and the janitor made its rounds; one of them looks at 50,000 jobs at most."""
    created = int((time.time() - 3 * 86_400) * 1000)
    index = keys.index(0, "local")
    pipeline = story.redis.pipeline(transaction=False)
    async for key in story.redis.scan_iter(count=1000):
        if await story.redis.ttl(key) >= 0:
            pipeline.delete(key)
    for member in await story.redis.zrange(index, 0, -1):
        pipeline.zadd(index, {member: created})
    await pipeline.execute()
    settings = ResultsSettings(redis_url=redis_url, blob_url=blob_url, retention=3600)
    janitor = Janitor(story.redis, BlobStore(blob_url), settings, ResultsMetrics())
    while await story.redis.zcard(index):
        await janitor.once()


async def memory(redis: Redis) -> int:
    """Bytes of data; what the server keeps for connections and its own books is left out."""
    return int((await redis.info("memory"))["used_memory_dataset"])
