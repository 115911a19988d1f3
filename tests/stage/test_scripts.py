"""Each script alone: fenced, and safe to repeat after a lost reply."""

import asyncio

import pytest
from redis.asyncio import Redis

from shared import keys, schema, scripts
from shared.groups import Housekeeper
from tests.stage.conftest import UPLOADS, publish, read_as, starts
from tests.stage.scenes import SCENES

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


async def test_a_lock_is_one_takers_however_often_it_asks(redis: Redis) -> None:
    take = scripts.load(redis, "lock")
    assert await take(keys=["darkroom:janitor"], args=["a", 60_000]) == 1
    assert await take(keys=["darkroom:janitor"], args=["a", 60_000]) == 1
    assert await take(keys=["darkroom:janitor"], args=["b", 60_000]) == 0
    assert 0 < await redis.pttl("darkroom:janitor") <= 60_000


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
    arguments = {"keys": [UPLOADS.stream] * 3, "args": [UPLOADS.group, "a", entry_ids[0], 0, entry_ids[1], 0]}
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
        args=[UPLOADS.group, "a", kept, 0, taken, 0, acknowledged, 0, cancelled, 1],
    )
    assert states == [1, 0, 0, -1]
    assert set(await starts(redis)) == {kept, taken}, "a cancelled entry is acknowledged"


async def claim(
    redis: Redis, consumer: str, what: str, *, room: int = 10, spent: int = 3, turn: int = 0
) -> tuple[list[tuple[str, int]], int, int, int]:
    """What was claimed as (id, starts before), how many suspects, fresh and spent ones are left."""
    names = [UPLOADS.stream, f"turn:{UPLOADS.stream}", f"seeker:{UPLOADS.stream}"]
    args = [UPLOADS.group, consumer, 10_000, "-", room, spent, turn, what]
    _, entries, *counts = await scripts.load(redis, "claim")(keys=names, args=args)
    return ([(entry_id.decode(), starts) for entry_id, starts, _ in entries], *counts)


async def age(redis: Redis, *entry_ids: str, count: int) -> None:
    """Make entries look as if their lease had run out after so many starts."""
    for entry_id in entry_ids:
        await redis.xclaim(
            UPLOADS.stream, UPLOADS.group, "dead", 0, [entry_id], idle=60_000, retrycount=count, justid=True
        )


async def test_a_look_takes_fresh_entries_and_leaves_those_that_were_started_where_they_are(redis: Redis) -> None:
    fresh, suspect, spent, alive = await publish(redis, 4)
    await read_as(redis, "dead", 4)
    await age(redis, fresh, count=0)
    await age(redis, suspect, count=1)
    await age(redis, spent, count=3)
    assert await claim(redis, "b", "look") == ([(fresh, 0)], 1, 0, 1)
    left = {suspect: ("dead", 1), alive: ("dead", 1)}
    assert await starts(redis) == {**left, fresh: ("b", 1), spent: ("dead", 3)}
    assert await claim(redis, "b", "look") == ([], 1, 0, 1), "a repeat takes nothing twice"
    assert await claim(redis, "b", "spent") == ([(spent, 3)], 1, 0, 0)
    assert await claim(redis, "b", "spent") == ([], 1, 0, 0)
    assert await starts(redis) == {**left, fresh: ("b", 1), spent: ("b", 3)}


async def test_a_look_tells_what_fresh_entries_it_had_no_room_for(redis: Redis) -> None:
    entry_ids = await publish(redis, 3)
    await read_as(redis, "dead", 3)
    await age(redis, *entry_ids, count=0)
    assert await claim(redis, "b", "look", room=1) == ([(entry_ids[0], 0)], 0, 2, 0)


async def test_a_suspect_is_claimed_alone_and_its_start_is_counted(redis: Redis) -> None:
    first, second = await publish(redis, 2)
    await read_as(redis, "dead", 2)
    await age(redis, first, second, count=2)
    assert (await claim(redis, "b", "suspect"))[0] == [(first, 2)]
    assert await starts(redis) == {first: ("b", 3), second: ("dead", 2)}
    assert (await claim(redis, "b", "suspect"))[0] == [(second, 2)]
    assert (await claim(redis, "b", "suspect"))[0] == []


async def test_one_consumer_at_a_time_makes_room_for_a_suspect(redis: Redis) -> None:
    entry_ids = await publish(redis, 2)
    await read_as(redis, "dead", 2)
    await age(redis, *entry_ids, count=1)
    assert (await claim(redis, "b", "look"))[1] == 2
    assert (await claim(redis, "c", "look"))[1] == 0
    assert (await claim(redis, "b", "look"))[1] == 2
    assert (await claim(redis, "c", "peek")) == ([], 2, 0, 0)
    await claim(redis, "b", "suspect")
    assert (await claim(redis, "c", "look"))[1] == 1, "the next one is anybody's"


async def test_one_consumer_looks_per_turn_until_something_was_found(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "dead", 1)
    assert await claim(redis, "b", "look", turn=60_000) == ([], 0, 0, 0)
    await age(redis, entry_id, count=0)
    assert await claim(redis, "c", "look", turn=60_000) == ([], 0, 0, 0)
    await redis.delete(f"turn:{UPLOADS.stream}")
    assert await claim(redis, "c", "look", turn=60_000) == ([(entry_id, 0)], 0, 0, 0)
    assert await redis.exists(f"turn:{UPLOADS.stream}") == 0


async def test_claiming_drops_an_entry_that_left_the_stream(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "dead", 1)
    await age(redis, entry_id, count=1)
    await redis.xdel(UPLOADS.stream, entry_id)
    assert (await claim(redis, "b", "suspect"))[0] == []
    assert await starts(redis) == {}


async def test_claiming_finds_what_stands_behind_pages_of_others(redis: Redis) -> None:
    entry_ids = await publish(redis, 250)
    await read_as(redis, "dead", 250)
    await age(redis, *entry_ids[:249], count=0)
    await age(redis, entry_ids[249], count=1)
    assert (await claim(redis, "b", "suspect"))[0] == [(entry_ids[249], 1)]


async def test_handing_back_gives_an_entry_to_anybody_as_if_never_read(redis: Redis) -> None:
    kept, handed = await publish(redis, 2)
    await read_as(redis, "a", 2)
    hand_back = scripts.load(redis, "hand_back")
    arguments = {"keys": [UPLOADS.stream], "args": [UPLOADS.group, "a", keys.RELEASED, 10_000, handed]}
    assert [await hand_back(**arguments), await hand_back(**arguments)] == [1, 0]
    assert await starts(redis) == {kept: ("a", 1), handed: (keys.RELEASED, 0)}
    assert await claim(redis, "b", "look") == ([(handed, 0)], 0, 0, 0)


async def test_groups_are_made_when_redis_is_at_its_memory_limit(redis: Redis) -> None:
    ensure = scripts.load(redis, "ensure")
    await redis.script_load(scripts.source("ensure"))
    await redis.config_set("maxmemory", 1)
    try:
        call = {"keys": [UPLOADS.stream], "args": [UPLOADS.group]}
        assert [await ensure(**call), await ensure(**call)] == [1, 0]
    finally:
        await redis.config_set("maxmemory", 0)


async def test_a_service_notes_the_schema_once_and_refuses_another_one(redis: Redis) -> None:
    await schema.check(redis)
    await schema.check(redis)
    assert await redis.get(keys.SCHEMA_KEY) == str(keys.SCHEMA_VERSION).encode()
    await redis.set(keys.SCHEMA_KEY, keys.SCHEMA_VERSION + 1)
    with pytest.raises(schema.WrongSchema, match=f"layout {keys.SCHEMA_VERSION + 1}"):
        await schema.check(redis)


async def test_start_publishes_for_the_owner_only_and_never_for_a_job_that_is_over(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "a", 1)
    job_key = keys.job(0, "0-x")
    start = scripts.load(redis, "start")
    call = {"keys": [UPLOADS.stream, PROGRESS, job_key]}
    assert await start(**call, args=[UPLOADS.group, "b", entry_id, 1, "{}", "", "", 1]) == [0, 0]
    assert await start(**call, args=[UPLOADS.group, "a", entry_id, 1, "{}", "", "", 1]) == [1, 0]
    await redis.hset(job_key, mapping={"state": "processing", "run": "2"})
    assert await start(**call, args=[UPLOADS.group, "a", entry_id, 1, "{}", "", "", 1]) == [-1, 0]
    assert await redis.xlen(PROGRESS) == 1
    assert await starts(redis) == {}


async def test_start_tells_of_each_entry_of_a_batch(redis: Redis) -> None:
    ours, lost, over = await publish(redis, 3)
    await read_as(redis, "a", 1)
    for consumer in ("b", "a"):
        await redis.xreadgroup(UPLOADS.group, consumer, {UPLOADS.stream: ">"}, count=1)
    await redis.hset(keys.job(0, "0-z"), mapping={"state": "cancelled"})
    names = [UPLOADS.stream, PROGRESS, *(keys.job(0, job) for job in ("0-x", "0-y", "0-z"))]
    entries = (
        (ours, 1, '{"n":1}', "00-parent", "state", 1),
        (lost, 1, '{"n":2}', "", "", 1),
        (over, 1, '{"n":3}', "", "", 1),
    )
    answers = await scripts.load(redis, "start")(
        keys=names, args=[UPLOADS.group, "a", *(part for entry in entries for part in entry)]
    )
    assert answers == [1, 0, 0, 0, -1, 0]
    told = [fields for _, fields in await redis.xrange(PROGRESS)]
    assert told == [{b"data": b'{"n":1}', b"traceparent": b"00-parent", b"tracestate": b"state"}]
    assert set(await starts(redis)) == {ours, lost}


async def test_a_cancelled_run_stops_no_later_one(redis: Redis) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "a", 1)
    job_key = keys.job(0, "0-x")
    await redis.hset(job_key, mapping={"state": "cancelled", "run": "1"})
    start, renew = scripts.load(redis, "start"), scripts.load(redis, "renew")
    arguments = [UPLOADS.group, "a", entry_id, 2, "{}", "", "", 1]
    assert await start(keys=[UPLOADS.stream, PROGRESS, job_key], args=arguments) == [1, 0]
    assert await renew(keys=[UPLOADS.stream, job_key], args=[UPLOADS.group, "a", entry_id, 2]) == [1]


@pytest.mark.parametrize("name", ["hook", "reject"])
async def test_who_lost_an_entry_neither_settles_nor_rejects_it(redis: Redis, name: str) -> None:
    call = await SCENES[name](redis)
    (stream, group), entry_id = (call.keys[0], call.args[0]), call.args[2]
    await redis.xclaim(stream, group, "taker", 0, [entry_id], justid=True)
    assert await scripts.load(redis, name)(keys=call.keys, args=call.args) == 0
    assert await redis.exists(call.keys[1]) == 0
    ((_, consumer),) = [(one["message_id"], one["consumer"]) for one in await pending(redis, stream, group)]
    assert consumer == b"taker"


async def pending(redis: Redis, stream: str, group: str) -> list[dict[str, bytes]]:
    found: list[dict[str, bytes]] = await redis.xpending_range(stream, group, "-", "+", 10)
    return found


async def test_putting_a_letter_back_is_answered_alike_however_often_it_is_repeated(redis: Redis) -> None:
    call = await SCENES["restore"](redis)
    restore = scripts.load(redis, "restore")
    entry_id = await restore(keys=call.keys, args=call.args)
    assert await restore(keys=call.keys, args=call.args) == entry_id
    assert [found for found, _ in await redis.xrange(UPLOADS.stream)] == [entry_id]


async def test_a_cancelled_job_is_over_for_as_long_as_its_entry_may_be_unread(redis: Redis) -> None:
    call = await SCENES["cancel"](redis)
    job_key, live = call.keys[0], call.args[6]
    (entry_id,) = await publish(redis, 1)
    cancel, sweep = scripts.load(redis, "cancel"), scripts.load(redis, "sweep")
    await cancel(keys=call.keys, args=call.args)
    assert await redis.ttl(job_key) > live - 10
    await cancel(keys=call.keys, args=["delete", *call.args[1:]])
    assert await redis.ttl(job_key) > live - 10
    names = [keys.owners(0), keys.index(0, "local"), job_key]
    assert await sweep(keys=names, args=["local", 60, "0-x"]) == [2]
    assert await redis.ttl(job_key) > live - 10
    await read_as(redis, "a", 1)
    arguments = [UPLOADS.group, "a", entry_id, 1, "{}", "", "", 1]
    assert await scripts.load(redis, "start")(keys=[UPLOADS.stream, PROGRESS, job_key], args=arguments) == [-1, 0]


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
