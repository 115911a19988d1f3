"""Publishing straight to the stream: the job is recorded with its event, and a backlog that is too long holds it up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from clients.api import AsyncClient, Client
from clients.publisher import Publisher
from clients.sync_publisher import SyncPublisher
from shared import catalogue, keys
from shared.blobs import BlobStore
from shared.errors import Overloaded, StorageUnavailable, UnknownFilter
from shared.events import ImageUploaded, Output, decode_uploaded
from tests.clients.command import Command
from tests.support.stack import Stack
from tests.support.waiting import eventually

Picture = Callable[..., Path]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def publisher(redis_url: str, blob_url: str) -> AsyncIterator[Publisher]:
    async with Publisher(redis_url, blob_url, owner="me", backlog_limit=3) as publisher:
        yield publisher


async def events(redis: Redis, *, bulk: bool = False) -> list[ImageUploaded]:
    entries = await redis.xrange(keys.uploaded(0, bulk=bulk))
    return [decode_uploaded(fields, partition=0, entry_id=entry_id.decode()) for entry_id, fields in entries]


async def test_a_picture_is_stored_recorded_and_published(
    publisher: Publisher, redis: Redis, blob_url: str, tmp_path: Path, picture: Picture
) -> None:
    source = picture(tmp_path / "cat.png")
    published = await publisher.publish([source], filters="sepia,blur:size=5", output=Output(format="webp"))
    (event,) = await events(redis)
    assert (event.job_id, event.owner, event.batch, event.name) == (published.jobs[0], "me", published.batch, "cat.png")
    assert event.filters == [{"name": "sepia"}, {"name": "blur", "size": 5}]
    assert bytes(BlobStore(blob_url).get(event.source)) == source.read_bytes()
    assert await redis.hget(keys.job(0, published.jobs[0]), "state") == b"queued"


async def test_the_bulk_stream_is_for_what_can_wait(publisher: Publisher, redis: Redis) -> None:
    await publisher.publish([b"picture"], bulk=True)
    assert (len(await events(redis)), len(await events(redis, bulk=True))) == (0, 1)


async def test_a_plain_entry_gets_the_id_of_its_job_from_its_own(publisher: Publisher, redis: Redis) -> None:
    job_id = await publisher.add(ImageUploaded(source="inbox/cat.jpg"))
    (event,) = await events(redis)
    assert event.job_id == job_id
    assert await publisher.add(ImageUploaded(source="inbox/cat.jpg", job_id="0-mine")) == "0-mine"


async def test_above_the_limit_it_is_refused(publisher: Publisher) -> None:
    await publisher.publish([b"1", b"2"])
    assert await publisher.backlog() == 2
    with pytest.raises(Overloaded, match="at most 3"):
        await publisher.publish([b"3", b"4"])
    assert await publisher.backlog() == 2


async def test_it_waits_for_room_when_asked_to(
    publisher: Publisher, redis: Redis, wait_until: Callable[..., Awaitable[Any]]
) -> None:
    await redis.xgroup_create(keys.uploaded(0), keys.PROCESS_GROUP, id="0", mkstream=True)
    await publisher.publish([b"1", b"2", b"3"])
    waiting = asyncio.create_task(publisher.publish([b"4"], wait_for_room=True))
    (_, entries), *_ = await redis.xreadgroup(keys.PROCESS_GROUP, "worker", {keys.uploaded(0): ">"}, count=1)
    assert not waiting.done()
    await redis.xack(keys.uploaded(0), keys.PROCESS_GROUP, entries[0][0])
    await wait_until(waiting.done)
    assert len((await waiting).jobs) == 1


async def test_it_waits_for_memory_too(
    publisher: Publisher, redis: Redis, wait_until: Callable[..., Awaitable[Any]]
) -> None:
    used = int((await redis.info("memory"))["used_memory"])
    await redis.config_set("maxmemory", used + used // 100)
    with pytest.raises(Overloaded, match="memory"):
        await publisher.publish([b"1"])
    waiting = asyncio.create_task(publisher.publish([b"1"], wait_for_room=True))
    assert not waiting.done()
    await redis.config_set("maxmemory", 10 * used)
    await wait_until(waiting.done)
    assert len((await waiting).jobs) == 1


async def test_what_cannot_be_published_says_why(publisher: Publisher, tmp_path: Path, unused_port: int) -> None:
    with pytest.raises(UnknownFilter):
        await publisher.publish([b"1"], filters="Not A Filter")
    with pytest.raises(FileNotFoundError):
        await publisher.publish([tmp_path / "missing.png"])
    async with Publisher(f"redis://127.0.0.1:{unused_port}/0", "memory://") as lost:
        with pytest.raises(StorageUnavailable):
            await lost.add(ImageUploaded(source="inbox/cat.jpg"))


async def test_what_is_published_is_developed(stack: Stack, tmp_path: Path, picture: Picture) -> None:
    async with Publisher(stack.redis_url, stack.blob_url) as publisher, AsyncClient(stack.url) as client:
        published = await publisher.publish([picture(tmp_path / "cat.png", seed=6000)], filters="sepia", expected=1)
        (job,) = [job async for job in client.events(batch=published.batch) if job.terminal]
        assert (job.id, job.state) == (published.jobs[0], "done")
        BlobStore(stack.blob_url).put("inbox/cat.png", picture(tmp_path / "other.png", seed=6001).read_bytes())
        added = await publisher.add(ImageUploaded(source="inbox/cat.png", batch="added-by-hand", expected=1))
        known = await _known(client, added)
        assert (await client.wait(known)).state == "done"


async def _known(client: AsyncClient, job_id: str) -> str:
    """The id once the service has heard of the job: plain entries are recorded when a worker tells of them."""

    async def heard() -> bool:
        return job_id in [job.id async for job in client.jobs(batch="added-by-hand")]

    await eventually(heard, timeout=30)
    return job_id


def test_the_command_publishes_to_the_stack_of_a_data_directory(
    command: Command, stack: Stack, picture: Picture
) -> None:
    for index in range(3):
        picture(command.folder / "in" / f"{index}.png", seed=6100 + index)
    outcome = command("publish", "in", "-f", "flip", "--data-dir", stack.data_dir, "--batch", "by-command", "--json")
    assert (outcome.code, outcome.errors) == (0, "")
    assert [document["state"] for document in outcome.documents] == ["queued"] * 3
    watched = command("watch", "--batch", "by-command", "--json")
    assert watched.code == 0
    assert {document["id"] for document in watched.documents} == {document["id"] for document in outcome.documents}


def test_the_command_says_what_it_does_not_take(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    assert command("publish", "cat.png", "--priority", "urgent").code == 2
    assert command("publish", "cat.png", "--format", "gif").code == 2


@pytest.mark.parametrize(
    ("chain", "told"),
    [("sepai", "did you mean sepia?"), ("blur:size=200", "blur: parameter size"), ("noir", "--preset noir")],
)
def test_the_command_takes_no_chain_that_no_worker_would(
    command: Command, stack: Stack, picture: Picture, chain: str, told: str
) -> None:
    picture(command.folder / "cat.png")
    outcome = command("publish", "cat.png", "-f", chain, "--data-dir", stack.data_dir)
    assert (outcome.code, outcome.text) == (2, "")
    assert told in outcome.errors


async def test_what_workers_offer_is_known_once_one_did_and_to_who_may_read_it(
    publisher: Publisher, redis: Redis, redis_url: str, blob_url: str
) -> None:
    assert await publisher.offered() is None
    await catalogue.publish(redis, "e1", [catalogue.FilterDocument("sepia", "Brown.", {})])
    assert [offered.name for offered in await publisher.offered() or ()] == ["sepia"]
    await redis.acl_setuser("narrow", enabled=True, nopass=True, keys=["image.uploaded:*"], commands=["+xadd"])
    async with Publisher(redis_url.replace("://", "://narrow:x@"), blob_url) as narrow:
        assert await narrow.offered() is None
    await redis.acl_deluser("narrow")


def test_a_program_without_asyncio_publishes_the_same(stack: Stack, tmp_path: Path, picture: Picture) -> None:
    with SyncPublisher(stack.redis_url, stack.blob_url) as publisher, Client(stack.url) as client:
        published = publisher.publish([picture(tmp_path / "cat.png", seed=6200)], filters="sepia")
        assert client.wait(published.jobs[0], within=30).state == "done"
        BlobStore(stack.blob_url).put("inbox/sync.png", picture(tmp_path / "other.png", seed=6201).read_bytes())
        added = publisher.add(ImageUploaded(source="inbox/sync.png", job_id=keys.new_id(0)))
        assert added.startswith("0-")
        assert publisher.backlog() >= 0
    with pytest.raises(RuntimeError):
        publisher.backlog()


async def test_it_does_not_block_an_event_loop(redis_url: str, blob_url: str) -> None:
    publisher = SyncPublisher(redis_url, blob_url)
    with pytest.raises(RuntimeError, match="running event loop"):
        publisher.publish([b"1"])
    await asyncio.to_thread(publisher.close)


def test_the_command_says_what_to_do_where_nothing_runs(lonely: Command, unused_port: int, picture: Picture) -> None:
    picture(lonely.folder / "cat.png")
    lonely.environment |= {"DARKROOM_REDIS_URL": f"redis://127.0.0.1:{unused_port}/0", "DARKROOM_BLOB_URL": "memory://"}
    outcome = lonely("publish", "cat.png")
    assert (outcome.code, outcome.text) == (1, "")
    assert "Redis did not answer" in outcome.errors
    assert "up', name its --data-dir" in outcome.errors
