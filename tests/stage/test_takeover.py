"""What is taken over together does not wait for each other."""

import asyncio

from redis.asyncio import Redis

from shared import keys
from shared.dead_letters import DeadLetter
from shared.entries import Entry, Source
from tests.stage.conftest import UPLOADS, Recorder, Running, WaitUntil, obituary, publish, read_as


async def test_fresh_entries_are_in_work_while_a_spent_one_waits_for_its_burial(
    redis: Redis, running: Running, recorder: Recorder, wait_until: WaitUntil
) -> None:
    may_be_buried = asyncio.Event()

    async def late(source: Source, entry: Entry, worker: str) -> DeadLetter:
        await may_be_buried.wait()
        return await obituary(source, entry, worker)

    async def buried() -> bool:
        return await redis.xlen(keys.dead(0)) == 1

    await publish(redis, 2)
    spent, fresh = await read_as(redis, "dead", 2)
    for entry_id, starts in ((spent, 3), (fresh, 0)):
        place = (UPLOADS.stream, UPLOADS.group, "dead", 0, [entry_id])
        await redis.xclaim(*place, idle=60_000, retrycount=starts, justid=True)
    async with running(recorder, obituary=late):
        await wait_until(lambda: recorder.entries)
        assert [entry.id for entry in recorder.entries] == [fresh]
        assert not await buried()
        may_be_buried.set()
        await wait_until(buried)
