"""While workers of two versions are alive, a chain may land on either: only what both take is offered."""

import httpx
import pytest

from shared import catalogue, keys
from shared.catalogue import FilterDocument
from tests.ingest.pictures import picture
from tests.ingest.running import Running, Start, assert_problem


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


def blur(most: int, **more: object) -> FilterDocument:
    size = {"type": "integer", "minimum": 1, "maximum": most, "default": 9}
    properties = {"size": size, **more}
    return FilterDocument("blur", "Blur.", {"type": "object", "properties": properties, "additionalProperties": False})


WARM = FilterDocument("warm", "New.", {"type": "object", "properties": {}, "additionalProperties": False})
OLD, NEW = [blur(49)], [blur(99, sigma={"type": "number"}), WARM]


@pytest.fixture
async def ingest(start: Start) -> Running:
    running = await start(workers=False, catalogue_ttl=0.001)
    await catalogue.publish(running.redis, "old", OLD)
    await catalogue.publish(running.redis, "new", NEW)
    return running


async def post(ingest: Running, filters: str) -> httpx.Response:
    return await ingest.http.post("/v1/images", params={"filters": filters}, content=picture())


async def test_what_both_versions_take_is_taken(ingest: Running) -> None:
    assert (await post(ingest, "blur:size=49")).status_code == 202
    (document,) = (await ingest.http.get("/v1/filters")).json()["filters"]
    assert list(document["parameters"]["properties"]) == ["size"]


@pytest.mark.parametrize(
    ("chain", "code"),
    [("warm", "unknown_filter"), ("blur:sigma=2", "invalid_parameter"), ("blur:size=99", "invalid_parameter")],
)
async def test_what_the_newer_one_alone_takes_waits_until_the_older_is_gone(
    ingest: Running, chain: str, code: str
) -> None:
    assert_problem(await post(ingest, chain), 422, code)
    await ingest.redis.delete(keys.HEARTBEAT_PREFIX + "old")
    assert (await post(ingest, chain)).status_code == 202
