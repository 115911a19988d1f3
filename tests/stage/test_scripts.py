"""Each script alone: fenced, and safe to repeat after a lost reply."""

import asyncio

from redis.asyncio import Redis

from shared import keys, scripts
from shared.groups import Housekeeper
from tests.stage.conftest import UPLOADS, WaitUntil, publish, read_as, starts

PROGRESS = keys.progress(0)


async def settle(redis: Redis, consumer: str, *entry_ids: str) -> list[int]:
    args = [UPLOADS.group, consumer]
    for entry_id in entry_ids:
        args += [entry_id, '{"type":"processed"}', "", ""]
    return await scripts.load(redis, "settle")(keys=[UPLOADS.stream, PROGRESS], args=args)


async def test_settle_publishes_once_however_often_it_is_repeated(redis: Redis) -> None:
    entry_ids = await publish(redis, 3)
    await read_as(redis, "a", 3)
    assert await settle(redis, "a", *entry_ids) == [1, 1, 1]
    assert await settle(redis, "a", *entry_ids) == [0, 0, 0]
    assert await redis.xlen(PROGRESS) == 3


async def test_settle_publishes_nothing_for_an_owner_whose_entry_was_taken_over(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "stalled", 1)
    await redis.xclaim(UPLOADS.stream, UPLOADS.group, "taker", 0, [entry_id], justid=True)
    assert await settle(redis, "stalled", entry_id) == [0]
    assert await redis.xlen(PROGRESS) == 0
    assert await settle(redis, "taker", entry_id) == [1]
    assert await redis.xlen(PROGRESS) == 1


async def test_settle_works_when_redis_is_at_its_memory_limit(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "a", 1)
    for name in ("settle", "renew"):
        await redis.script_load(scripts.source(name))
    await redis.config_set("maxmemory", 1)
    try:
        assert await settle(redis, "a", entry_id) == [1]
    finally:
        await redis.config_set("maxmemory", 0)


async def test_settle_keeps_the_trace_context(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "a", 1)
    args = [UPLOADS.group, "a", entry_id, "{}", "00-aa-bb-01", "x=1"]
    await scripts.load(redis, "settle")(keys=[UPLOADS.stream, PROGRESS], args=args)
    ((_, fields),) = await redis.xrange(PROGRESS)
    assert fields == {b"data": b"{}", b"traceparent": b"00-aa-bb-01", b"tracestate": b"x=1"}


async def test_renew_moves_the_lease_and_counts_no_start(redis: Redis) -> None:
    entry_ids = await publish(redis, 2)
    await read_as(redis, "a", 2)
    await redis.xclaim(UPLOADS.stream, UPLOADS.group, "a", 0, entry_ids, idle=5000, justid=True)
    renew = scripts.load(redis, "renew")
    arguments = {"keys": [UPLOADS.stream] * 3, "args": [UPLOADS.group, "a", *entry_ids]}
    assert await renew(**arguments) == [1, 1]
    assert await renew(**arguments) == [1, 1]
    pending = await redis.xpending_range(UPLOADS.stream, UPLOADS.group, "-", "+", 10)
    assert all(one["time_since_delivered"] < 1000 and one["times_delivered"] == 1 for one in pending)


async def test_renew_tells_what_was_lost_and_whose_job_was_cancelled(redis: Redis) -> None:
    kept, taken, acknowledged, cancelled = await publish(redis, 4)
    await read_as(redis, "a", 4)
    await redis.xclaim(UPLOADS.stream, UPLOADS.group, "b", 0, [taken], justid=True)
    await redis.xack(UPLOADS.stream, UPLOADS.group, acknowledged)
    job_key = keys.job(0, "0-cancelled")
    await redis.hset(job_key, "state", "cancelled")
    states = await scripts.load(redis, "renew")(
        keys=[UPLOADS.stream, *[UPLOADS.stream] * 3, job_key],
        args=[UPLOADS.group, "a", kept, taken, acknowledged, cancelled],
    )
    assert states == [1, 0, 0, -1]


async def test_claim_takes_over_without_counting_a_start(redis: Redis) -> None:
    entry_ids = await publish(redis, 3)
    await read_as(redis, "dead", 3)
    await redis.xclaim(UPLOADS.stream, UPLOADS.group, "dead", 0, entry_ids[:2], idle=60_000, justid=True)
    cursor, claimed = await scripts.load(redis, "claim")(
        keys=[UPLOADS.stream], args=[UPLOADS.group, "b", 10_000, "0-0", 10]
    )
    assert cursor == b"0-0"
    assert [(entry_id.decode(), count, fields) for entry_id, count, fields in claimed] == [
        (entry_ids[0], 1, [b"data", b"0"]),
        (entry_ids[1], 1, [b"data", b"1"]),
    ]
    assert (await starts(redis))[entry_ids[2]] == ("dead", 1)


async def test_count_sets_the_start_so_that_a_repeat_counts_once(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "a", 1)
    count = scripts.load(redis, "count")
    for _ in range(2):
        assert await count(keys=[UPLOADS.stream], args=[UPLOADS.group, "a", entry_id, 2]) == [1]
    assert await starts(redis) == {entry_id: ("a", 2)}
    assert await count(keys=[UPLOADS.stream], args=[UPLOADS.group, "b", entry_id, 3]) == [0]


async def test_start_publishes_for_the_owner_only_and_never_for_a_job_that_is_over(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "a", 1)
    job_key = keys.job(0, "0-x")
    start = scripts.load(redis, "start")
    call = {"keys": [UPLOADS.stream, PROGRESS, job_key]}
    assert await start(**call, args=[UPLOADS.group, "b", entry_id, 1, "{}", "", ""]) == 0
    assert await start(**call, args=[UPLOADS.group, "a", entry_id, 1, "{}", "", ""]) == 1
    await redis.hset(job_key, mapping={"state": "processing", "run": "2"})
    assert await start(**call, args=[UPLOADS.group, "a", entry_id, 1, "{}", "", ""]) == -1
    assert await redis.xlen(PROGRESS) == 1
    assert await starts(redis) == {}


async def test_bury_keeps_the_entry_as_it_came(redis: Redis) -> None:
    entry_id = (await redis.xadd(UPLOADS.stream, {b"data": b"\xff\x00", b"other": b"1"})).decode()
    await read_as(redis, "a", 1)
    bury = scripts.load(redis, "bury")
    call = {
        "keys": [UPLOADS.stream, keys.dead(0), PROGRESS],
        "args": [UPLOADS.group, "a", entry_id, "{}", "{}", "", "", b"data", b"\xff\x00", b"other", b"1"],
    }
    assert [await bury(**call), await bury(**call)] == [1, 0]
    ((_, fields),) = await redis.xrange(keys.dead(0))
    assert fields == {b"data": b"{}", b"entry.data": b"\xff\x00", b"entry.other": b"1"}
    assert await redis.xlen(PROGRESS) == 1
    assert await starts(redis) == {}


async def test_release_hands_on_every_pending_entry_and_takes_back_its_start(redis: Redis) -> None:
    entry_ids = await publish(redis, 2)
    await read_as(redis, "a", 2)
    housekeeper = Housekeeper(redis, lease_ms=10_000)
    assert await housekeeper.release(UPLOADS, "a") == 2
    assert await housekeeper.release(UPLOADS, "a") == 0
    assert await starts(redis) == dict.fromkeys(entry_ids, (keys.RELEASED, 0))
    names = [one["name"] for one in await redis.xinfo_consumers(UPLOADS.stream, UPLOADS.group)]
    assert names == [keys.RELEASED.encode()]
    idle = await redis.xpending_range(UPLOADS.stream, UPLOADS.group, "-", "+", 10)
    assert all(one["time_since_delivered"] >= 10_000 for one in idle)


async def test_the_reaper_spares_the_living_and_keeps_the_count_of_the_dead(
    redis: Redis, wait_until: WaitUntil
) -> None:
    entry_ids = await publish(redis, 2)
    await read_as(redis, "silent", 1)
    housekeeper = Housekeeper(redis, lease_ms=100)

    async def silent_long_enough() -> bool:
        consumers = await redis.xinfo_consumers(UPLOADS.stream, UPLOADS.group)
        return consumers[0]["idle"] > 300

    await wait_until(silent_long_enough)
    await redis.xreadgroup(UPLOADS.group, "alive", {UPLOADS.stream: ">"}, count=1)
    assert await housekeeper.reap(UPLOADS) == 1
    assert await starts(redis) == {entry_ids[0]: (keys.RELEASED, 1), entry_ids[1]: ("alive", 1)}


async def test_trim_removes_only_what_every_group_acknowledged(redis: Redis) -> None:
    entry_ids = await publish(redis, 6)
    await read_as(redis, "a", 4)
    await redis.xack(UPLOADS.stream, UPLOADS.group, entry_ids[0], entry_ids[1], entry_ids[3])
    housekeeper = Housekeeper(redis, lease_ms=1000)
    assert await housekeeper.trim(UPLOADS.stream, [UPLOADS.group]) == 2
    await redis.xgroup_create(UPLOADS.stream, "foreign", id="0")
    await redis.xack(UPLOADS.stream, UPLOADS.group, entry_ids[2])
    assert await housekeeper.trim(UPLOADS.stream, [UPLOADS.group]) == 0
    await redis.xgroup_destroy(UPLOADS.stream, "foreign")
    assert await housekeeper.trim(UPLOADS.stream, [UPLOADS.group]) == 2
    assert [entry_id.decode() for entry_id, _ in await redis.xrange(UPLOADS.stream)] == entry_ids[4:]


async def test_trim_leaves_a_stream_alone_whose_own_group_is_missing(redis: Redis) -> None:
    await publish(redis, 3)
    assert await Housekeeper(redis, lease_ms=1000).trim(UPLOADS.stream, [UPLOADS.group]) == 0
    assert await redis.xlen(UPLOADS.stream) == 3


async def test_trim_overruns_a_foreign_group_that_fell_too_far_behind(redis: Redis) -> None:
    entry_ids = await publish(redis, 4)
    await read_as(redis, "a", 4)
    await redis.xack(UPLOADS.stream, UPLOADS.group, *entry_ids)
    await redis.xgroup_create(UPLOADS.stream, "foreign", id="0")
    trim = scripts.load(redis, "trim")
    assert await trim(keys=[UPLOADS.stream], args=[3, 60_000, UPLOADS.group]) == [4, 1]


async def test_two_consumers_settling_the_same_entry_publish_it_once(redis: Redis) -> None:
    entry_ids = await publish(redis, 20)
    await read_as(redis, "a", 20)
    await redis.xclaim(UPLOADS.stream, UPLOADS.group, "b", 0, entry_ids[:10], justid=True)
    first, second = await asyncio.gather(settle(redis, "a", *entry_ids), settle(redis, "b", *entry_ids))
    assert [one + other for one, other in zip(first, second, strict=True)] == [1] * 20
    assert await redis.xlen(PROGRESS) == 20
