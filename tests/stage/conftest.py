"""A stage under test: real server, short lease, handlers that the test writes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio import Redis

from shared import keys
from shared.dead_letters import DeadLetter, Obituary, write
from shared.entries import Entry, Source
from shared.lanes import Batch, SteadyDoor
from shared.settings import Settings
from shared.stage import Outcome, Stage

UPLOADS = Source(keys.uploaded(0), keys.PROCESS_GROUP, 0)
LEASE = 1.0


async def obituary(source: Source, entry: Entry, worker: str) -> DeadLetter:
    document = write(source, entry, code="gave_up", message="used up its attempts", worker=worker)
    return DeadLetter("gave_up", document, b'{"type":"failed"}')


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


StagedHandler = Callable[[Stage, Source, Batch], Awaitable[None]]
Running = Callable[..., AbstractAsyncContextManager[Stage]]
WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture
def running(redis_url: str, redis: Redis) -> Running:
    """`async with running(handler) as stage:`, drained at the end; the handler gets the stage first."""

    @asynccontextmanager
    async def run(
        handler: StagedHandler,
        *,
        lanes: int = 2,
        count: int = 8,
        attempts: int = 3,
        grace: float = 5.0,
        obituary: Obituary = obituary,
    ) -> AsyncIterator[Stage]:
        settings = Settings(redis_url=redis_url, lease=LEASE, max_attempts=attempts, drain_grace=grace)

        async def bound(source: Source, batch: Batch) -> None:
            await handler(stage, source, batch)

        stage = Stage(settings, redis, [UPLOADS], bound, door=SteadyDoor(count), lanes=lanes, obituary=obituary)
        await stage.start()
        try:
            yield stage
        finally:
            await stage.drain()

    return run


class Recorder:
    """A handler that settles every entry and remembers which came, and with how many earlier starts."""

    def __init__(self) -> None:
        self.batches: list[list[Entry]] = []

    async def __call__(self, stage: Stage, source: Source, batch: Batch) -> None:
        self.batches.append(list(batch))
        await stage.settle(source, [Outcome(entry, b"{}") for entry in batch], output=keys.progress(0))

    @property
    def entries(self) -> list[Entry]:
        return [entry for batch in self.batches for entry in batch]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


async def publish(redis: Redis, count: int, stream: str = UPLOADS.stream) -> list[str]:
    """Publish `count` numbered entries; returns their ids."""
    return [(await redis.xadd(stream, {b"data": b"%d" % number})).decode() for number in range(count)]


async def read_as(redis: Redis, consumer: str, count: int) -> list[str]:
    """Read as another consumer does, and never come back."""
    await redis.xgroup_create(UPLOADS.stream, UPLOADS.group, id="0", mkstream=True)
    reply = await redis.xreadgroup(UPLOADS.group, consumer, {UPLOADS.stream: ">"}, count=count)
    return [entry_id.decode() for entry_id, _ in reply[0][1]] if reply else []


async def starts(redis: Redis) -> dict[str, tuple[str, int]]:
    """Entry id → (consumer, delivery count) of everything pending."""
    pending = await redis.xpending_range(UPLOADS.stream, UPLOADS.group, "-", "+", 1000)
    return {one["message_id"].decode(): (one["consumer"].decode(), one["times_delivered"]) for one in pending}
