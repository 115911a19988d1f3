"""More of what a stage promises: fresh before suspect, drains that cost nothing, faults that are told, a full Redis."""

import asyncio
import time
from itertools import pairwise

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared import keys
from shared.entries import Entry, Source
from shared.lanes import Batch
from shared.stage import Outcome, Stage
from tests.stage.conftest import LEASE, UPLOADS, Recorder, Running, WaitUntil, publish, read_as, starts

PROGRESS = keys.progress(0)


async def settle(stage: Stage, source: Source, batch: Batch) -> None:
    await stage.settle(source, [Outcome(entry, b"{}") for entry in batch], output=PROGRESS)


async def test_a_suspect_runs_while_nothing_else_is_in_work(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    in_work: set[str] = set()
    company: list[set[str]] = []

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        ids = {entry.id for entry in batch}
        in_work.update(ids)
        if any(entry.attempts for entry in batch):
            company.append(in_work - ids)
        await asyncio.sleep(0.02)
        await settle(stage, source, batch)
        in_work.difference_update(ids)

    await publish(redis, 3)
    await read_as(redis, "killed", 3)
    async with running(handler, lanes=3, count=2):
        while len(company) < 3:
            await publish(redis, 5)
            await asyncio.sleep(0.05)
    assert company == [set(), set(), set()]


async def test_a_suspect_does_not_wait_for_the_long_image_of_another_process(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    released, done = asyncio.Event(), []

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        if batch[0].fields[b"data"] == b"long":
            await released.wait()
        done.extend(entry.id for entry in batch)
        await settle(stage, source, batch)

    await publish(redis, 1)
    (suspect,) = await read_as(redis, "killed", 1)
    async with running(handler, count=1) as busy:
        await redis.xadd(UPLOADS.stream, {b"data": b"long"})
        await wait_until(lambda: len(busy.leases) == 1)
        async with running(handler, count=1):
            await wait_until(lambda: suspect in done, timeout=5 * LEASE)
            released.set()


async def test_what_was_handed_back_comes_before_what_is_unread_even_under_load(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    order: list[str] = []

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        order.extend(entry.id for entry in batch)
        await asyncio.sleep(0.02)
        await settle(stage, source, batch)

    async def never(stage: Stage, source: Source, batch: Batch) -> None:
        await asyncio.Event().wait()

    await publish(redis, 8)
    async with running(never, lanes=1, count=8, grace=0.1) as first:
        await wait_until(lambda: len(first.leases) == 8)
    handed_back = set(await starts(redis))
    await publish(redis, 200)
    async with running(handler, lanes=1, count=1):
        await wait_until(lambda: handed_back <= set(order))
    last = max(order.index(entry_id) for entry_id in handed_back)
    assert last < 100, "they would wait for the whole backlog otherwise"


async def test_an_entry_handed_back_starts_at_once_where_there_is_room(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    kept = asyncio.Event()

    async def hoarder(stage: Stage, source: Source, batch: Batch) -> None:
        if len(batch) < 6:
            await recorder(stage, source, batch)
            return
        await stage.hand_back(source, batch[1:])
        await kept.wait()
        await settle(stage, source, batch[:1])

    await publish(redis, 6)
    async with running(hoarder, lanes=1, count=6), running(recorder, lanes=1, count=1):
        await wait_until(lambda: len(recorder.entries) == 5, timeout=5 * LEASE)
        assert {entry.attempts for entry in recorder.entries} == {0}
        kept.set()


async def test_a_drain_under_load_loses_no_time_and_no_entry(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    finished: dict[str, float] = {}
    total = 120

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        await asyncio.sleep(0.02)
        await settle(stage, source, batch)
        finished.update(dict.fromkeys((entry.id for entry in batch), time.monotonic()))

    published = await publish(redis, total)
    async with running(handler, lanes=2, count=4):
        async with running(handler, lanes=2, count=4):
            await wait_until(lambda: len(finished) > 20)
        await wait_until(lambda: len(finished) == total)
    assert sorted(finished) == sorted(published)
    assert await redis.xlen(PROGRESS) == total
    moments = sorted(finished.values())
    assert max(later - sooner for sooner, later in pairwise(moments)) < LEASE


async def test_a_suspect_in_work_is_finished_by_a_drain(redis: Redis, running: Running, wait_until: WaitUntil) -> None:
    begun = asyncio.Event()

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        await settle(stage, source, batch)

    await publish(redis, 1)
    await read_as(redis, "killed", 1)
    async with running(handler):
        await begun.wait()
    assert await starts(redis) == {}
    assert await redis.xlen(PROGRESS) == 1


async def test_a_stalled_owner_that_comes_back_publishes_nothing(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    resumed = asyncio.Event()
    settled: list[list[bool]] = []

    async def stalled(stage: Stage, source: Source, batch: Batch) -> None:
        # As a stopped process does: no lease is renewed.
        stage.leases.rest(source, batch)
        await resumed.wait()
        settled.append(await stage.settle(source, [Outcome(entry, b"{}") for entry in batch], output=PROGRESS))

    await publish(redis, 1)
    async with running(stalled) as stage:
        await wait_until(lambda: len(stage.leases) == 1)
        async with running(recorder):
            await wait_until(lambda: len(recorder.entries) == 1, timeout=5 * LEASE)
            resumed.set()
            await wait_until(lambda: settled)
    assert settled == [[False]]
    assert await redis.xlen(PROGRESS) == 1


async def test_a_stage_on_a_key_of_another_kind_is_not_ready_and_recovers(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    async with running(recorder) as stage:
        await redis.delete(UPLOADS.stream)
        await redis.set(UPLOADS.stream, "no stream")

        async def faulty() -> bool:
            try:
                await stage.check()
            except ResponseError as error:
                return "WRONGTYPE" in str(error)
            return False

        await wait_until(faulty)
        await redis.delete(UPLOADS.stream)
        await publish(redis, 1)
        await wait_until(lambda: len(recorder.entries) == 1)

        async def well() -> bool:
            return not await faulty()

        await wait_until(well)


async def test_a_call_that_can_never_succeed_is_raised_to_the_handler(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    raised: list[str] = []

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        try:
            await settle(stage, source, batch)
        except ResponseError as error:
            raised.append(str(error))
            raise

    await redis.set(PROGRESS, "no stream")
    await publish(redis, 1)
    async with running(handler):
        await wait_until(lambda: raised)
    assert "WRONGTYPE" in raised[0]


async def test_a_full_redis_is_drained_trimmed_and_served_by_a_new_process(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    await publish(redis, 100)
    await redis.config_set("maxmemory", 1)
    try:
        async with running(recorder) as stage:
            await wait_until(lambda: len(recorder.entries) == 100)
            await stage.check()

            async def trimmed() -> bool:
                return await redis.xlen(UPLOADS.stream) == 0

            await wait_until(trimmed)
            await stage.check()
    finally:
        await redis.config_set("maxmemory", 0)
    assert await redis.xlen(PROGRESS) == 100


async def test_an_entry_with_very_many_fields_can_be_made_a_dead_letter(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        for entry in batch:
            await stage.bury(source, entry, await stage._obituary(source, entry, stage.consumer))

    fields = {f"field {number}": "x" for number in range(9000)}
    await redis.xadd(UPLOADS.stream, {**fields, "data": "kept"})
    async with running(handler):

        async def buried() -> bool:
            return await redis.xlen(keys.dead(0)) == 1

        await wait_until(buried)
    ((_, letter),) = await redis.xrange(keys.dead(0))
    assert letter[b"entry.data"] == b"kept"
    assert await starts(redis) == {}


async def test_leases_know_which_delivery_they_are_for(redis: Redis, running: Running, recorder: Recorder) -> None:
    async with running(recorder) as stage:
        first, again = Entry("1-1", {}), Entry("1-1", {}, 1)
        stage.leases.hold(UPLOADS, [first])
        stage.leases.hold(UPLOADS, [again])
        told: list[str] = []
        stage.leases.watch(UPLOADS, first, "job", 1, told.append)
        assert told == ["lost"]
        stage.leases.drop(UPLOADS, [first])
        assert len(stage.leases) == 1
        stage.leases.drop(UPLOADS, [again])
        assert len(stage.leases) == 0


@pytest.mark.parametrize("over", [{"state": "cancelled"}, {"state": "queued", "run": 2}], ids=["", "and run again"])
async def test_an_entry_of_a_cancelled_job_is_acknowledged_at_its_renewal(
    redis: Redis, running: Running, wait_until: WaitUntil, over: dict[str, str | int]
) -> None:
    job_key = keys.job(0, "0-x")

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        ended = asyncio.Event()
        stage.leases.watch(source, batch[0], job_key, 1, lambda _: ended.set())
        await redis.hset(job_key, mapping=over)
        await ended.wait()

    await publish(redis, 1)
    async with running(handler) as stage:
        await wait_until(lambda: len(stage.leases) == 1)
        await wait_until(lambda: len(stage.leases) == 0, timeout=2 * LEASE)
        assert await starts(redis) == {}


@pytest.mark.parametrize(("lost", "attempts"), [(1, 3), (2, 3), (2, 1)])
async def test_an_outage_costs_no_entry_a_start(
    redis: Redis, running: Running, wait_until: WaitUntil, lost: int, attempts: int
) -> None:
    """Another process must neither take nor bury what its owner could not renew while Redis was away."""
    finish = asyncio.Event()

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        await finish.wait()
        await settle(stage, source, batch)

    await publish(redis, 1)
    async with running(handler, attempts=attempts) as owner, running(handler, attempts=attempts) as other:
        await wait_until(lambda: len(owner.leases) + len(other.leases) == 1)
        for _ in range(lost):
            await redis.client_pause(int(2.5 * LEASE * 1000))
            await wait_until(lambda: owner.outage.ongoing and other.outage.ongoing)
            await wait_until(lambda: not owner.outage.ongoing and not other.outage.ongoing)
        began = time.monotonic()
        await wait_until(lambda: time.monotonic() - began > LEASE)
        assert [count for _, count in (await starts(redis)).values()] == [1]
        finish.set()
        await wait_until(lambda: not len(owner.leases) + len(other.leases))
    assert await redis.xlen(keys.dead(0)) == 0
