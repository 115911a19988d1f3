"""A request that carries an Idempotency-Key is recorded once, however often it is sent."""

import asyncio

import httpx
import pytest

from shared import keys
from tests.ingest.pictures import picture
from tests.ingest.running import Running, Start, assert_problem


async def post(ingest: Running, key: str, shade: int = 1, **parameters: str) -> httpx.Response:
    return await ingest.http.post(
        "/v1/images", params=parameters, content=picture(shade=shade), headers={"Idempotency-Key": key}
    )


async def test_a_repeat_gets_the_first_answer_and_adds_nothing(ingest: Running) -> None:
    first = await post(ingest, "k1", filters="sepia")
    again = await post(ingest, "k1", filters="sepia")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(await ingest.entries()) == 1


async def test_the_same_key_with_another_image_or_parameter_is_refused(ingest: Running) -> None:
    await post(ingest, "k1")

    assert_problem(await post(ingest, "k1", shade=200), 422, "idempotency_conflict")
    assert_problem(await post(ingest, "k1", filters="sepia"), 422, "idempotency_conflict")
    assert len(await ingest.entries()) == 1


async def test_of_many_at_once_one_is_recorded(ingest: Running) -> None:
    responses = await asyncio.gather(*(post(ingest, "k1") for _ in range(20)))

    assert {response.status_code for response in responses} == {202}
    assert len({response.text for response in responses}) == 1
    assert len(await ingest.entries()) == 1


async def test_a_repeat_finds_its_partition_again(start: Start) -> None:
    ingest = await start(partitions=7)

    answers = [(await post(ingest, f"k{n}")).json() for n in range(10)]

    assert [(await post(ingest, f"k{n}")).json() for n in range(10)] == answers
    lengths = [await ingest.redis.xlen(keys.uploaded(p)) for p in range(7)]
    assert sum(lengths) == 10
    assert sum(length > 0 for length in lengths) > 1


@pytest.mark.parametrize("key", ["a b", "x" * 256])
async def test_a_key_that_is_none_is_refused(ingest: Running, key: str) -> None:
    response = await ingest.http.post("/v1/images", content=picture(), headers=[("Idempotency-Key", key)])

    assert_problem(response, 422, "invalid_parameter")
