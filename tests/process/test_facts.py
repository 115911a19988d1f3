"""The facts of stored results are advice: what of it is no good counts as not known."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from services.process.facts import Facts
from shared import keys
from shared.events import Result


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


def fact(key: str) -> Result:
    return Result(key=key, media_type="image/png", bytes=3, width=1, height=1)


@pytest.mark.parametrize("value", [b"nonsense", b"\xff", b"{}", b"null", msgspec.json.encode(fact("results/other"))])
async def test_a_value_that_is_no_fact_hides_no_other(redis: Redis, value: bytes) -> None:
    facts = Facts(redis)
    await facts.remember([fact("results/good")])
    await redis.set(keys.cache("results/bad"), value)
    known = await facts.find(["results/bad", "results/none", "results/good"])
    assert known == {"results/good": fact("results/good")}


async def test_a_key_of_another_kind_is_not_known(redis: Redis) -> None:
    await redis.hset(keys.cache("results/bad"), "a", "b")
    assert await Facts(redis).find(["results/bad"]) == {}
