"""The reaper takes from the dead only: silence counts as far as this process could watch it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from shared import keys
from shared.outage import Outage
from shared.reaper import SILENT_LEASES, Reaper
from shared.settings import Settings
from shared.stage import Stage
from tests.stage.conftest import UPLOADS, WaitUntil, obituary, publish, read_as, starts

LEASE = 0.2
SILENT = SILENT_LEASES * LEASE


def reaper(redis: Redis, *, consumer: str = "own", outage: Outage | None = None) -> Reaper:
    return Reaper(redis, consumer=consumer, lease=LEASE, outage=outage or Outage("redis"))


async def idle(redis: Redis) -> dict[str, float]:
    """Seconds that each consumer was silent, as the server tells."""
    told = await redis.xinfo_consumers(UPLOADS.stream, UPLOADS.group)
    return {one["name"].decode(): one["idle"] / 1000 for one in told}


async def all_silent(redis: Redis) -> bool:
    return min((await idle(redis)).values()) > SILENT


@asynccontextmanager
async def watching(*reapers: Reaper) -> AsyncIterator[None]:
    """Each reaper looks again and again, as housekeeping does."""

    over = False

    async def look() -> None:
        while not over:
            for one in reapers:
                await one.reap(UPLOADS)
            await asyncio.sleep(LEASE / 10)

    # Not cancelled: redis-py can swallow that.
    task = asyncio.create_task(look())
    try:
        yield
    finally:
        over = True
        await task


async def test_the_reaper_spares_the_living_and_keeps_the_count_of_the_dead(
    redis: Redis, wait_until: WaitUntil
) -> None:
    entry_ids = await publish(redis, 2)
    await read_as(redis, "silent", 1)
    await redis.xreadgroup(UPLOADS.group, "alive", {UPLOADS.stream: ">"}, count=1)
    alive = reaper(redis, consumer="alive")

    async def silent_one_is_gone() -> bool:
        await alive.touch(UPLOADS)
        return "silent" not in await idle(redis)

    async with watching(reaper(redis)):
        await wait_until(silent_one_is_gone)
    assert await starts(redis) == {entry_ids[0]: (keys.RELEASED, 1), entry_ids[1]: ("alive", 1)}


async def test_a_process_never_reaps_itself(redis: Redis, wait_until: WaitUntil) -> None:
    entry_ids = await publish(redis, 2)
    await read_as(redis, "own", 1)
    await redis.xreadgroup(UPLOADS.group, "silent", {UPLOADS.stream: ">"}, count=1)

    async def silent_one_is_gone() -> bool:
        return "silent" not in await idle(redis)

    async with watching(reaper(redis)):
        await wait_until(silent_one_is_gone)
    assert (await starts(redis))[entry_ids[0]] == ("own", 1)


async def test_silence_that_nobody_watched_does_not_count(redis: Redis, wait_until: WaitUntil) -> None:
    """A process that starts, or that stood still, saw none of the signs of life that others may have given."""
    await publish(redis, 1)
    await read_as(redis, "other", 1)
    mine = reaper(redis)
    assert await mine.reap(UPLOADS) == 0
    await wait_until(lambda: all_silent(redis))
    assert await mine.reap(UPLOADS) == 0
    assert await reaper(redis).reap(UPLOADS) == 0


async def test_after_an_outage_the_living_get_time_to_show_themselves(redis: Redis, wait_until: WaitUntil) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "other", 1)
    outage = Outage("redis")
    watched = time.monotonic()
    async with watching(reaper(redis, outage=outage)):
        await outage.wait(ConnectionError("away"))
        # As it is while the server is away: nothing tells of the living, and the server's clock runs on.
        await wait_until(lambda: time.monotonic() - watched > 1.5 * SILENT)
        assert await all_silent(redis)
        assert await starts(redis) == {entry_id: ("other", 1)}
        outage.over()
        await asyncio.sleep(LEASE)
        assert await starts(redis) == {entry_id: ("other", 1)}

        async def reaped() -> bool:
            return await starts(redis) == {entry_id: (keys.RELEASED, 1)}

        await wait_until(reaped)


async def test_touching_shows_life_and_takes_nothing(redis: Redis, wait_until: WaitUntil) -> None:
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, "own", 1)
    await wait_until(lambda: all_silent(redis))
    await reaper(redis).touch(UPLOADS)
    assert (await idle(redis))["own"] < SILENT
    assert await starts(redis) == {entry_id: ("own", 1)}


class ShutDoor:
    """A door that lets nobody through."""

    async def admit(self, source: object) -> int:  # noqa: ARG002 - part of the protocol
        return await asyncio.Event().wait()

    def room(self, source: object) -> int:  # noqa: ARG002 - part of the protocol
        return 0

    def leave(self, source: object, admitted: int, taken: int) -> None:
        """Nobody entered."""


async def test_a_process_that_waits_at_a_full_door_is_no_silent_one(
    redis: Redis, redis_url: str, wait_until: WaitUntil
) -> None:
    async def handler(*_: object) -> None:
        raise AssertionError("nothing comes through the door")

    settings = Settings(redis_url=redis_url, lease=LEASE, drain_grace=0.1)
    stage = Stage(settings, redis, [UPLOADS], handler, door=ShutDoor(), lanes=1, obituary=obituary)
    await stage.start()
    try:

        async def known() -> bool:
            return stage.consumer in await idle(redis)

        await wait_until(known)
        most, until = 0.0, time.monotonic() + 2 * SILENT
        while time.monotonic() < until:
            most = max(most, (await idle(redis))[stage.consumer])
            await asyncio.sleep(LEASE / 10)
    finally:
        await stage.drain()
    assert most < SILENT
