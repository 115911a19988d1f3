"""What the client of a cluster does with redirections, and with servers that are none of a cluster."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ResponseError

from shared.connections import connect
from shared.scripts import RedisClient
from shared.slots import key_of
from tests.cluster.conftest import Cluster

#: Two keys of one slot, and what one script does to both.
ONE, OTHER = "one:{moving}", "other:{moving}"
BOTH = "redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[2])"


@pytest.fixture
async def redis(cluster: Cluster) -> AsyncIterator[RedisClient]:
    async with connect(cluster.url, cluster=True, most=8) as client:
        await client.delete(ONE)
        await client.delete(OTHER)
        yield client


async def test_a_slot_that_is_moving_is_asked_for_where_each_key_is(cluster: Cluster, redis: RedisClient) -> None:
    await redis.set(ONE, 1)
    source = cluster.owner(ONE)
    target = next(node for node in cluster.nodes if node is not source)
    with cluster.moving(ONE, target):
        # Many at a time: the permission to ask is of one connection, and holds for one command.
        assert sorted(await asyncio.gather(*(redis.incr(OTHER) for _ in range(50)))) == list(range(1, 51))
        assert await redis.get(ONE) == b"1"
        pipeline = redis.pipeline(transaction=False)
        pipeline.get(ONE)
        pipeline.get(OTHER)
        assert await pipeline.execute() == [b"1", b"50"]
        # A script needs both keys on one node, so it waits until they are.
        both = asyncio.create_task(_run_both(redis))
        _, waiting = await asyncio.wait({both}, timeout=0.1)
        assert waiting
    assert await both == 51
    assert cluster.owner(ONE) is target
    assert await redis.mget(ONE, "elsewhere", OTHER) == [b"2", None, b"51"]


async def test_a_slot_that_has_moved_is_found_by_every_client(cluster: Cluster, redis: RedisClient) -> None:
    await redis.set(ONE, 7)
    async with connect(cluster.url, cluster=True) as other:
        assert await other.get(ONE) == b"7"
        source = cluster.owner(ONE)
        with cluster.moving(ONE, next(node for node in cluster.nodes if node is not source)):
            pass
        assert await redis.incr(ONE) == 8
        pipeline = other.pipeline(transaction=False)
        pipeline.get(ONE)
        assert await pipeline.execute() == [b"8"]


async def test_a_script_reaches_each_node_when_it_is_first_needed_there(cluster: Cluster, redis: RedisClient) -> None:
    for node in cluster.nodes:
        node.redis.script_flush()
    script = redis.register_script("return redis.call('INCR', KEYS[1])")
    assert [await script(keys=[f"counted:{{{n}}}"]) for n in range(6)] == [1] * 6
    assert [await script(keys=[f"counted:{{{n}}}"]) for n in range(6)] == [2] * 6


async def test_one_server_that_is_no_cluster_says_so(debian_redis: str) -> None:
    async with connect(debian_redis, cluster=True) as redis:
        with pytest.raises(ResponseError, match="cluster support disabled"):
            await redis.ping()
    with pytest.raises(ValueError, match="database 0"):
        connect("redis://127.0.0.1:6379/1", cluster=True)


def test_the_key_of_a_command_is_found() -> None:
    assert key_of(("XREADGROUP", b"GROUP", "g", "c", b"COUNT", 1, b"STREAMS", "stream", ">")) == "stream"
    assert key_of(("EVALSHA", "sha", 2, "first", "second", "argument")) == "first"
    assert key_of(("XINFO GROUPS", "stream")) == "stream"
    assert key_of(("CLUSTER SLOTS",)) is key_of(("SCRIPT LOAD", "text")) is key_of(("TIME",)) is None


async def _run_both(redis: RedisClient) -> int:
    return int(await redis.register_script(BOTH)(keys=[ONE, OTHER]))
