import time
from datetime import UTC, datetime, timedelta

import pytest

from services.results.janitor import Janitor
from services.results.metrics import ResultsMetrics
from services.results.settings import ResultsSettings
from shared import keys
from shared.blobs import BlobStore, blob_key
from shared.events import encode
from tests.results.story import Story, processed, upload

DIGEST = "c" * 64


@pytest.fixture
def store(blob_url: str) -> BlobStore:
    return BlobStore(blob_url)


def janitor_of(story: Story, store: BlobStore, redis_url: str, **settings: object) -> Janitor:
    made = ResultsSettings(redis_url=redis_url, blob_url=store.url, **{"retention": 3600} | settings)
    return Janitor(story.redis, store, made, ResultsMetrics())


def days_ago(number: float) -> str:
    return (datetime.now(UTC) - timedelta(days=number)).strftime("%Y-%m-%d")


async def age(story: Story, job_id: str, days: float) -> None:
    """Make a job as old as that."""
    created = int((time.time() - days * 86_400) * 1000)
    await story.redis.hset(keys.job(0, job_id), "created", created)
    await story.redis.zadd(keys.index(0, "local"), {job_id: created})


async def test_index_entries_whose_record_is_over_go(story: Story, store: BlobStore, redis_url: str) -> None:
    over, kept, young = await story.submit("a.jpg", "b.jpg", "c.jpg")
    for job_id in (over, kept):
        await age(story, job_id, 3)
    await story.redis.delete(keys.job(0, over), keys.job(0, young))
    await janitor_of(story, store, redis_url).once()
    # A young one may be on its way: its record is only looked at once it can be over.
    assert set(await story.redis.zrange(keys.index(0, "local"), 0, -1)) == {kept.encode(), young.encode()}


async def test_an_owner_without_jobs_is_forgotten(story: Story, store: BlobStore, redis_url: str) -> None:
    (job_id,) = await story.submit("a.jpg")
    await age(story, job_id, 3)
    await story.redis.delete(keys.job(0, job_id))
    await janitor_of(story, store, redis_url).once()
    assert await story.redis.exists(keys.index(0, "local"), keys.owners(0)) == 0


async def test_the_oldest_finished_jobs_go_when_there_are_too_many(
    story: Story, store: BlobStore, redis_url: str
) -> None:
    job_ids = await story.submit(*(f"{n}.jpg" for n in range(8)))
    for position, job_id in enumerate(job_ids):
        await age(story, job_id, 0.01 * (8 - position) / 86_400)
    live, *finished = job_ids
    await story.finish(*finished)
    await janitor_of(story, store, redis_url, retention_jobs=5).once()
    left = [member.decode() for member in await story.redis.zrange(keys.index(0, "local"), 0, -1)]
    assert left == [live, *finished[-4:]]
    assert (await story.job(finished[0])).state == "deleted"
    assert await story.redis.ttl(keys.job(0, finished[0])) <= 600


async def test_days_of_blobs_older_than_the_retention_and_two_days_go(
    story: Story, store: BlobStore, redis_url: str
) -> None:
    for kind in ("originals", "results"):
        for number in (0, 1, 2, 3, 5, 400):
            store.put(blob_key(kind, "local", DIGEST, day=days_ago(number)), b"x")
    store.put("inbox/cat.jpg", b"x")
    store.put("originals/not-a-day/x", b"x")
    await janitor_of(story, store, redis_url, retention=86_400).once()
    for kind in ("originals", "results"):
        kept = [day for day in await store.days(kind) if day != "not-a-day"]
        assert kept == sorted(days_ago(number) for number in (0, 1, 2, 3))
    assert store.has("inbox/cat.jpg")
    assert store.has("originals/not-a-day/x")


async def test_an_original_that_a_job_waits_for_is_kept(story: Story, store: BlobStore, redis_url: str) -> None:
    (job_id,) = await story.submit("a.jpg")
    await story.redis.delete(keys.uploaded(0))
    await age(story, job_id, 5)
    for number in (4, 5, 6):
        for kind in ("originals", "results"):
            store.put(blob_key(kind, "local", DIGEST, day=days_ago(number)), b"x")
    janitor = janitor_of(story, store, redis_url)
    await janitor.once()
    assert await store.days("originals") == [days_ago(5), days_ago(4)]
    assert await store.days("results") == []
    await story.finish(job_id)
    await janitor.once()
    assert await store.days("originals") == []


async def test_an_original_whose_event_nobody_read_yet_is_kept(story: Story, store: BlobStore, redis_url: str) -> None:
    published = int((time.time() - 5 * 86_400) * 1000)
    await story.redis.xadd(keys.uploaded(0), {"data": b"{}"}, id=f"{published}-0")
    store.put(blob_key("originals", "local", DIGEST, day=days_ago(4)), b"x")
    await janitor_of(story, store, redis_url).once()
    assert await store.days("originals") == [days_ago(4)]


async def test_an_original_that_a_dead_letter_names_is_kept(story: Story, store: BlobStore, redis_url: str) -> None:
    for number in (4, 5, 6):
        for kind in ("originals", "results"):
            store.put(blob_key(kind, "local", DIGEST, day=days_ago(number)), b"x")
    event = encode(upload("0-a", owner="ann", source=blob_key("originals", "ann", DIGEST, day=days_ago(5))))
    # It was replayed once and died again, so neither its own time nor that of its entry tells the day.
    letter = await story.redis.xadd(keys.dead(0), {b"data": b"{}", b"entry.data": event})
    for data in (b"nonsense", b"\xff", b'{"source": 1}', b'{"source": "inbox/cat.jpg"}'):
        await story.redis.xadd(keys.dead(0), {b"data": b"{}", b"entry.data": data})
    janitor = janitor_of(story, store, redis_url)
    await janitor.once()
    assert await store.days("originals") == [days_ago(5)]
    assert await store.days("results") == []
    await story.redis.xdel(keys.dead(0), letter)
    await janitor.once()
    assert await store.days("originals") == []


async def test_old_dead_letters_go(story: Story, store: BlobStore, redis_url: str) -> None:
    await story.redis.xadd(keys.dead(0), {"data": b"old"}, id="1-1")
    await story.redis.xadd(keys.dead(0), {"data": b"new"})
    await janitor_of(story, store, redis_url).once()
    assert [fields[b"data"] for _, fields in await story.redis.xrange(keys.dead(0))] == [b"new"]


async def test_one_janitor_works_at_a_time(story: Story, store: BlobStore, redis_url: str) -> None:
    await story.redis.xadd(keys.dead(0), {"data": b"old"}, id="1-1")
    janitor = janitor_of(story, store, redis_url)
    async with story.redis.lock("darkroom:janitor", timeout=10):
        await janitor.once()
    assert await story.redis.xlen(keys.dead(0)) == 1
    await janitor.once()
    assert await story.redis.exists(keys.dead(0), "darkroom:janitor") == 1
    assert await story.redis.xlen(keys.dead(0)) == 0


async def test_a_full_server_is_swept(story: Story, store: BlobStore, redis_url: str) -> None:
    (job_id,) = await story.submit("a.jpg")
    await age(story, job_id, 5)
    await story.redis.delete(keys.job(0, job_id), keys.uploaded(0))
    await story.redis.xadd(keys.dead(0), {"data": b"old"}, id="1-1")
    store.put(blob_key("originals", "local", DIGEST, day=days_ago(5)), b"x")
    janitor = janitor_of(story, store, redis_url)
    await story.redis.config_set("maxmemory", 1)
    try:
        await janitor.once()
    finally:
        await story.redis.config_set("maxmemory", 0)
    assert not await story.redis.exists(keys.index(0, "local"), keys.owners(0))
    assert await story.redis.xlen(keys.dead(0)) == 0
    assert await store.days("originals") == []
    assert not await story.redis.exists("darkroom:janitor")


async def test_nothing_is_left_after_the_retention(story: Story, store: BlobStore, redis_url: str) -> None:
    """Every key either has a time to live, or goes with the last job, or is one of the few that stay."""
    job_ids = await story.submit(*(f"{n}.jpg" for n in range(20)), webhook="http://nowhere.invalid/")
    await story.start(*job_ids[:10])
    await story.finish(*job_ids[:15])
    await story.fail(*job_ids[15:])
    await story.project(processed(upload("0-straight", batch="straight")))
    without = [key for key in await story.redis.keys("*") if await story.redis.ttl(key) == -1]
    stay = {keys.progress(0), keys.uploaded(0), keys.version(0), keys.owners(0), keys.index(0, "local"), keys.hooks(0)}
    assert {key.decode() for key in without} <= stay
    for job_id in [*job_ids, "0-straight"]:
        await age(story, job_id, 3)
        await story.redis.delete(keys.job(0, job_id))
    await janitor_of(story, store, redis_url).once()
    assert not await story.redis.exists(keys.index(0, "local"), keys.owners(0))
