"""An event that kills the whole process each time ends as a dead letter, and its innocent neighbours are all done."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared import keys
from tests.stage.conftest import UPLOADS, WaitUntil, publish, starts
from tests.stage.poisoned import ATTEMPTS, POISON

_ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(180)
async def test_poison_that_kills_the_process_each_time_is_buried_and_its_neighbours_are_done(
    redis: Redis, redis_url: str, wait_until: WaitUntil
) -> None:
    deaths = 0
    stop = asyncio.Event()

    async def keep_alive() -> None:
        """Start a worker again whenever it was killed, as a supervisor does."""
        nonlocal deaths
        while not stop.is_set():
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.stage.poisoned", redis_url, cwd=_ROOT, stderr=asyncio.subprocess.DEVNULL
            )
            ended, stopping = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not ended.done():
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            deaths += await ended == -signal.SIGKILL and not stop.is_set()

    good = await publish(redis, 12)
    await redis.xadd(UPLOADS.stream, {b"data": POISON})
    good += await publish(redis, 12)
    workers = [asyncio.create_task(keep_alive()) for _ in range(2)]

    async def over() -> bool:
        return await redis.xlen(keys.progress(0)) == len(good) + 1 and await redis.xlen(keys.dead(0)) == 1

    try:
        await wait_until(over, timeout=120)
    finally:
        stop.set()
        await asyncio.gather(*workers)
    ((_, letter),) = await redis.xrange(keys.dead(0))
    assert letter[b"entry.data"] == POISON
    assert deaths == ATTEMPTS
    assert await starts(redis) == {}
