"""Every script: a repeat after a lost reply changes nothing more, and a full server refuses new work only."""

from importlib.resources import files

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from shared import scripts
from tests.stage.scenes import NEW_WORK, SCENES, Call

#: A repeat of `start` may tell once more that work begins, as its head says; the projection ignores that.
MAY_REPEAT = {"start"}


async def run(redis: Redis, name: str, call: Call) -> object:
    return await scripts.load(redis, name.partition(",")[0])(keys=list(call.keys), args=list(call.args))


async def everything(redis: Redis) -> dict[str, object]:
    """All that the server holds, but for what passes by itself: idle times and times to live."""
    found: dict[str, object] = {}
    for key in await redis.keys("*"):
        kind = (await redis.type(key)).decode()
        if kind == "stream":
            found[key.decode()] = await redis.xrange(key), await _groups(redis, key)
        elif kind == "hash":
            found[key.decode()] = await redis.hgetall(key)
        elif kind == "zset":
            found[key.decode()] = await redis.zrange(key, 0, -1, withscores=True)
        elif kind == "set":
            found[key.decode()] = await redis.smembers(key)
        else:
            found[key.decode()] = await redis.get(key)
    return found


async def _groups(redis: Redis, stream: bytes) -> dict[bytes, object]:
    """What is pending in each group: whose it is, and how often it was started."""
    groups: dict[bytes, object] = {}
    for group in await redis.xinfo_groups(stream):
        pending = await redis.xpending_range(stream, group["name"], "-", "+", 100)
        groups[group["name"]] = [(one["message_id"], one["consumer"], one["times_delivered"]) for one in pending]
    return groups


def test_every_script_has_its_scene() -> None:
    found = {file.name.removesuffix(".lua") for file in files("shared").joinpath("lua").iterdir()}
    assert {name.partition(",")[0] for name in SCENES} == found


@pytest.mark.parametrize("name", sorted(SCENES.keys() - MAY_REPEAT))
async def test_a_repeat_changes_nothing_more(redis: Redis, name: str) -> None:
    call = await SCENES[name](redis)
    before = await everything(redis)
    answer = await run(redis, name, call)
    assert call.answer is None or answer == call.answer
    after = await everything(redis)
    if not name.startswith("renew"):
        assert after != before, "it had something to do"
    await run(redis, name, call)
    assert await everything(redis) == after


@pytest.mark.parametrize("name", sorted(SCENES))
async def test_a_full_server_refuses_new_work_only(redis: Redis, name: str) -> None:
    call = await SCENES[name](redis)
    await redis.script_load(scripts.source(name.partition(",")[0]))
    before = await everything(redis)
    await redis.config_set("maxmemory", 1)
    try:
        if name in NEW_WORK:
            with pytest.raises(OutOfMemoryError):
                await run(redis, name, call)
            assert await everything(redis) == before
        else:
            answer = await run(redis, name, call)
            assert call.answer is None or answer == call.answer
    finally:
        await redis.config_set("maxmemory", 0)
