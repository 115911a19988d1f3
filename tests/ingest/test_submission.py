"""The script that records and publishes: whole or not at all, once however often it is called."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from shared import keys
from shared.errors import InvalidParameter
from shared.events import ImageUploaded
from shared.submission import Idempotency, Submission, Submitter, partition_for


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


def submission(number: int, *, jobs: int = 1, batch: str = "b", owner: str = "local") -> Submission:
    events = [
        ImageUploaded(source="inbox/a.jpg", job_id=f"0-j{number}-{n}", owner=owner, batch=batch) for n in range(jobs)
    ]
    return Submission(0, owner, batch, events)


async def test_submitting_the_same_jobs_again_adds_nothing(redis: Redis) -> None:
    submitter = Submitter(redis)

    for _ in range(3):
        assert await submitter.submit(submission(1, jobs=2)) is None

    assert await redis.xlen(keys.uploaded(0)) == 2
    assert await redis.hget(keys.batch(0, "b"), "total") == b"2"
    assert await redis.zcard(keys.index(0, "local")) == 2


async def test_many_at_once_share_calls_and_each_is_recorded(redis: Redis) -> None:
    submitter = Submitter(redis)
    await submitter.submit(submission(999))
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

    await asyncio.gather(*(submitter.submit(submission(n)) for n in range(50)))

    calls = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before
    assert calls <= 3
    assert await redis.xlen(keys.uploaded(0)) == 51


async def test_a_foreign_batch_is_refused_and_its_neighbours_go_on(redis: Redis) -> None:
    submitter = Submitter(redis)
    await submitter.submit(submission(1, batch="mine"))

    outcomes = await asyncio.gather(
        submitter.submit(submission(2)),
        submitter.submit(submission(3, batch="mine", owner="other")),
        submitter.submit(submission(4)),
        return_exceptions=True,
    )

    assert isinstance(outcomes[1], InvalidParameter)
    assert (outcomes[0], outcomes[2]) == (None, None)
    assert await redis.exists(keys.job(0, "0-j3-0")) == 0


async def test_a_request_that_breaks_the_script_fails_alone(redis: Redis) -> None:
    submitter = Submitter(redis)
    await redis.set(keys.batch(0, "broken"), "not a hash")

    outcomes = await asyncio.gather(
        *(submitter.submit(submission(n, batch="broken" if n == 2 else "b")) for n in range(5)), return_exceptions=True
    )

    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, False, True, False, False]
    assert await redis.xlen(keys.uploaded(0)) == 4
    assert await redis.hget(keys.batch(0, "b"), "total") == b"4"


async def test_every_key_of_a_job_has_an_end(redis: Redis) -> None:
    await Submitter(redis).submit(
        Submission(0, "local", "b", submission(1).jobs, idempotency=Idempotency("k", "f", b"{}"))
    )

    kept_small_elsewhere = {keys.uploaded(0), keys.version(0), keys.owners(0), keys.index(0, "local")}
    for name in await redis.keys("*"):
        if name.decode() not in kept_small_elsewhere:
            assert await redis.ttl(name) > 0, name


async def test_versions_rise_with_each_job(redis: Redis) -> None:
    submitter = Submitter(redis)
    await submitter.submit(submission(1, jobs=3))
    await submitter.submit(submission(2))

    versions = [await redis.hget(keys.job(0, job), "version") for job in ("0-j1-0", "0-j1-1", "0-j1-2", "0-j2-0")]
    assert versions == [b"1", b"2", b"3", b"4"]


def test_a_partition_is_the_batchs_else_the_keys_else_any() -> None:
    assert partition_for("o", "3-abc", "key", 8) == 3
    assert partition_for("o", "holiday", None, 8) == keys.partition_of("holiday", 8)
    assert partition_for("o", None, "key", 8) == partition_for("o", None, "key", 8)
    assert {partition_for("o", None, None, 4) for _ in range(200)} == {0, 1, 2, 3}
