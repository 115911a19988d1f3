"""What a stage promises, on a real server with real consumers."""

import asyncio

from redis.asyncio import Redis

from shared import keys
from shared.entries import Entry, Source
from shared.lanes import Batch
from shared.stage import Outcome, Stage
from tests.stage.conftest import LEASE, UPLOADS, Recorder, Running, WaitUntil, publish, read_as, starts

PROGRESS = keys.progress(0)


async def test_events_published_before_the_first_consumer_are_read(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    published = await publish(redis, 20)
    async with running(recorder):
        await wait_until(lambda: len(recorder.entries) == 20)
    assert sorted(entry.id for entry in recorder.entries) == sorted(published)
    assert await redis.xlen(PROGRESS) == 20


async def test_a_slow_entry_never_holds_up_the_others(redis: Redis, running: Running, wait_until: WaitUntil) -> None:
    released, done = asyncio.Event(), []

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        if batch[0].fields[b"data"] == b"0":
            await released.wait()
        await stage.settle(source, [Outcome(entry, b"{}") for entry in batch], output=PROGRESS)
        done.extend(batch)

    await publish(redis, 10)
    async with running(handler, lanes=2, count=1):
        await wait_until(lambda: len(done) == 9)
        released.set()
        await wait_until(lambda: len(done) == 10)


async def test_entries_of_a_silent_worker_are_taken_over_and_counted_when_they_start(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    await publish(redis, 5)
    await read_as(redis, "killed", 5)
    async with running(recorder):
        await wait_until(lambda: len(recorder.entries) == 5)
    assert {entry.attempts for entry in recorder.entries} == {1}
    assert [len(batch) for batch in recorder.batches] == [1] * 5, "each suspect runs alone"


async def test_a_lease_is_renewed_for_as_long_as_the_work_takes(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    runs: list[Entry] = []
    finished = asyncio.Event()

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        runs.extend(batch)
        await finished.wait()
        await stage.settle(source, [Outcome(entry, b"{}") for entry in batch], output=PROGRESS)

    (entry_id,) = await publish(redis, 1)
    async with running(handler) as stage, running(handler):
        begin = asyncio.get_running_loop().time()
        await wait_until(lambda: asyncio.get_running_loop().time() - begin > 3 * LEASE)
        assert await starts(redis) == {entry_id: (stage.consumer, 1)}
        finished.set()
        await wait_until(lambda: not len(stage.leases))
    assert len(runs) == 1
    assert await redis.xlen(PROGRESS) == 1


async def test_an_entry_that_always_fails_becomes_a_dead_letter_and_its_neighbours_finish(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    settled: list[bytes] = []

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        bad = [entry for entry in batch if entry.fields[b"data"] == b"3"]
        good = [entry for entry in batch if entry not in bad]
        await stage.settle(source, [Outcome(entry, b"{}") for entry in good], output=PROGRESS)
        settled.extend(entry.fields[b"data"] for entry in good)
        if bad:
            raise RuntimeError("this entry is poison")

    await publish(redis, 6)
    async with running(handler, attempts=2):

        async def buried() -> bool:
            return await redis.xlen(keys.dead(0)) == 1

        await wait_until(buried, timeout=30)
    assert sorted(settled) == [b"0", b"1", b"2", b"4", b"5"]
    ((_, letter),) = await redis.xrange(keys.dead(0))
    assert letter[b"entry.data"] == b"3"
    assert await starts(redis) == {}


async def test_drain_finishes_what_is_in_work_and_hands_on_the_rest(
    redis: Redis, running: Running, wait_until: WaitUntil
) -> None:
    begun = asyncio.Event()

    async def never(stage: Stage, source: Source, batch: Batch) -> None:
        begun.set()
        await asyncio.Event().wait()

    published = await publish(redis, 3)
    async with running(never, lanes=1, count=3, grace=0.2) as stage:
        await begun.wait()
    assert await starts(redis) == dict.fromkeys(published, (keys.RELEASED, 0))
    consumers = [one["name"].decode() for one in await redis.xinfo_consumers(UPLOADS.stream, UPLOADS.group)]
    assert stage.consumer not in consumers


async def test_released_entries_are_taken_up_at_once_as_if_fresh(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    await publish(redis, 10)

    async def never(stage: Stage, source: Source, batch: Batch) -> None:
        await asyncio.Event().wait()

    async with running(never, lanes=1, count=10, grace=0.1) as first:
        await wait_until(lambda: len(first.leases) == 10)
    async with running(recorder):
        await wait_until(lambda: len(recorder.entries) == 10, timeout=LEASE)
    assert {entry.attempts for entry in recorder.entries} == {0}


async def test_a_flushed_server_gets_its_groups_back(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    async with running(recorder) as stage:
        await publish(redis, 1)
        await wait_until(lambda: len(recorder.entries) == 1)
        await redis.flushall()
        published = await publish(redis, 2)
        await wait_until(lambda: len(recorder.entries) == 3)
        await stage.check()
    assert {entry.id for entry in recorder.entries[1:]} == set(published)


async def test_a_cancelled_job_stops_its_work_at_the_next_renewal(redis: Redis, running: Running) -> None:
    reasons: asyncio.Queue[str] = asyncio.Queue()
    begun = asyncio.Event()
    job_key = keys.job(0, "0-x")

    async def handler(stage: Stage, source: Source, batch: Batch) -> None:
        stage.leases.watch(source, batch[0], job_key, 1, reasons.put_nowait)
        begun.set()
        await asyncio.Event().wait()

    await publish(redis, 1)
    async with running(handler, grace=0.1):
        await begun.wait()
        await redis.hset(job_key, "state", "cancelled")
        async with asyncio.timeout(2 * LEASE):
            assert await reasons.get() == "cancelled"
