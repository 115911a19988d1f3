"""The origin answers for the whole, ingest's own health for ingest alone."""

import pytest

from shared import keys
from shared.health import Health
from shared.schema import WrongSchema
from tests.ingest.running import Running, Start


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


async def read_results(ingest: Running) -> None:
    await ingest.redis.xgroup_create(keys.progress(0), keys.RESULTS_GROUP, id="0", mkstream=True)
    await ingest.redis.xreadgroup(keys.RESULTS_GROUP, "reader", {keys.progress(0): ">"}, count=1)


async def test_the_whole_is_well_when_somebody_works_and_tells_the_results(ingest: Running) -> None:
    await read_results(ingest)

    response = await ingest.http.get("/health")

    report = response.json()
    assert (response.status_code, report["status"]) == (200, "ok"), report
    assert report["checks"] == {"redis": "ok", "store": "ok", "workers": "ok", "results": "ok"}
    assert report["uptime"] >= 0
    assert report["timestamp"].endswith("Z")


async def test_without_workers_the_whole_is_not_well_but_ingest_is(start: Start) -> None:
    ingest = await start(workers=False)

    report = (await ingest.http.get("/health")).json()

    assert report["status"] == "unavailable"
    assert report["checks"]["workers"] != "ok"
    assert report["checks"]["results"] != "ok"
    assert (await ingest.service.health.report())["status"] == "ok"


async def test_what_strangers_read_quotes_no_error_of_a_library(start: Start) -> None:
    async def broken() -> None:
        raise ConnectionError("Error 111 connecting to redis.internal:6379.")

    health = Health("any", "1", is_public=True)
    health.add("redis", broken)
    assert (await health.report())["checks"] == {"redis": "ConnectionError"}
    own = Health("any", "1")
    own.add("redis", broken)
    assert "redis.internal" in (await own.report())["checks"]["redis"]
    ingest = await start(workers=False)
    checks = (await ingest.http.get("/health")).json()["checks"]
    assert checks["results"] == "StorageUnavailable: nobody reads the results of image.progress:{0}"


async def test_a_worker_whose_heart_stopped_counts_no_more(ingest: Running) -> None:
    await ingest.redis.delete(keys.HEARTBEAT_PREFIX + "engine-1")

    report = (await ingest.http.get("/health/ready")).json()

    assert report["checks"]["workers"] != "ok"


async def test_live_asks_nobody_else(ingest: Running) -> None:
    assert (await ingest.http.get("/health/live")).json() == {"status": "ok"}


async def test_ingest_does_not_start_on_data_of_another_layout(ingest: Running, start: Start) -> None:
    await ingest.redis.set(keys.SCHEMA_KEY, keys.SCHEMA_VERSION + 1)
    assert (await ingest.service.health.report())["checks"]["redis"] != "ok"
    with pytest.raises(WrongSchema, match=f"layout {keys.SCHEMA_VERSION + 1}"):
        await start()
