"""Lanes: several readers of one stream in one process, each with one small batch in work.

A lane is a FastStream subscriber (batch, manual acknowledgement, raw parser). FastStream reads a fixed COUNT, stops for
good when the group is gone, retries some errors without a pause and others after five seconds; so the one read
call of each subscriber is replaced by `Lane.read`, which asks the door how much it may take, recreates what is
missing and waits out an outage.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import structlog
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.redis import RedisBroker, StreamSub
from redis.exceptions import ResponseError

from shared import groups
from shared.connections import SHORTEST_ANSWER, connect, patience, told_by
from shared.entries import Entry, Source
from shared.outage import Outage, passes
from shared.settings import Settings

log = structlog.get_logger()

Batch = Sequence[Entry]
Handler = Callable[[Source, Batch], Awaitable[None]]
#: Entries that were handed back and may be taken in place of a read, at most so many.
Take = Callable[[Source, int], Awaitable[Batch]]

#: Milliseconds one read waits for entries; also how long a drain waits for reads under way.
BLOCK_MS: Final = int(SHORTEST_ANSWER * 1000)


#: FastStream writes two lines per message; ours come from the handlers.
_SILENT: Final = logging.getLogger("darkroom.faststream")
_SILENT.setLevel(logging.CRITICAL + 1)


class Door(Protocol):
    """Decides how many entries a lane may take now."""

    async def admit(self, source: Source) -> int:
        """Wait until this lane may read, and return how many entries at most (1 or more)."""

    def room(self, source: Source) -> int:
        """How many entries may be taken over right now (0 or more)."""

    def leave(self, source: Source, admitted: int, taken: int) -> None:
        """The read ended: `taken` of the `admitted` entries came."""


class SteadyDoor:
    """Lets every lane read the same number of entries at any time."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def admit(self, source: Source) -> int:  # noqa: ARG002 - part of the protocol
        return self._count

    def leave(self, source: Source, admitted: int, taken: int) -> None:
        """Nothing is kept for a read under way."""

    def room(self, source: Source) -> int:  # noqa: ARG002 - part of the protocol
        return self._count


class Lanes:
    """All lanes of one stage, on one broker and with connections of their own."""

    def __init__(
        self, settings: Settings, *, consumer: str, handler: Handler, take: Take, door: Door, outage: Outage
    ) -> None:
        self._broker = RedisBroker(settings.redis_url, apply_types=False, logger=_SILENT, graceful_timeout=None)
        self._redis = connect(
            settings.redis_url, cluster=settings.redis_cluster, answer_timeout=patience(settings.lease)
        )
        self._take = take
        self._consumer = consumer
        self._handler = handler
        self._door = door
        self._outage = outage
        self._closed = False
        #: What went wrong with the last read, other than that the server is away.
        self._fault: Exception | None = None
        self._reading = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._subscribers: list[Any] = []

    def add(self, source: Source) -> None:
        """Add one lane on `source`; before `start`."""
        subscriber: Any = self._broker.subscriber(
            stream=StreamSub(
                source.stream,
                group=source.group,
                consumer=self._consumer,
                batch=True,
                max_records=1,
                polling_interval=BLOCK_MS,
            ),
            ack_policy=AckPolicy.MANUAL,
            parser=_raw_batch,
            decoder=_body,
        )

        async def handle(entries: Batch) -> None:
            await self._handler(source, entries)

        async def read(**_: object) -> Any:  # noqa: ANN401 - the reply as redis-py gives it
            return await self._read(source)

        subscriber(handle)
        # FastStream calls this one method for every read of the subscriber.
        subscriber._xreadgroup = read  # noqa: SLF001
        self._subscribers.append(subscriber)

    async def start(self) -> None:
        """Begin to read; Redis must be reachable and the groups must exist."""
        client: Any = await self._broker.connect()
        # FastStream would make the groups once more, which a server at its memory limit refuses, and a lane whose first
        # ping finds the server away would be dead for good. The reads of ours find out for themselves.
        client.xgroup_create = client.ping = _answered
        await self._broker.start()

    def check(self) -> None:
        """Raise unless every lane reads; FastStream stops a subscriber for good on errors it holds to be final."""
        if self._fault is not None:
            raise self._fault
        for subscriber in self._subscribers:
            if not subscriber.running or all(task.done() for task in subscriber.tasks):
                raise RuntimeError("A lane has stopped.")

    async def close(self) -> None:
        """Start no read any more; returns when those under way came back and were handed over."""
        self._closed = True
        await self._idle.wait()

    async def stop(self) -> None:
        """Stop the subscribers; what they still have in work is cancelled."""
        await self._broker.stop()
        await self._redis.aclose()

    async def _read(self, source: Source) -> Any:  # noqa: ANN401
        admitted = await self._door.admit(source)
        if self._closed:
            self._door.leave(source, admitted, 0)
            # The subscriber would call again at once; it is stopped before long.
            await asyncio.sleep(BLOCK_MS / 1000)
            return ()
        self._enter()
        taken = 0
        try:
            reply = await self._read_group(source, admitted)
            taken = sum(len(entries) for _, entries in reply)
        finally:
            self._exit()
            self._door.leave(source, admitted, taken)
        return reply

    async def _read_group(self, source: Source, count: int) -> Any:  # noqa: ANN401
        began = time.monotonic()
        try:
            taken = await self._take(source, count)
            if taken:
                # In the form of a reply, so that it goes the same way.
                return ((source.stream.encode(), [(entry.id.encode(), entry.fields) for entry in taken]),)
            reply = await self._redis.xreadgroup(
                source.group, self._consumer, {source.stream: ">"}, count=count, block=BLOCK_MS
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the lane must not stop
            await self._failed(source, error, began)
            return ()
        self._fault = None
        self._outage.over(began=began)
        return reply

    async def _failed(self, source: Source, error: Exception, began: float) -> None:
        """Recreate what is missing, wait for what is away; anything else is told once and tried again."""
        if isinstance(error, ResponseError) and told_by(error) == "NOGROUP":
            try:
                await groups.ensure(self._redis, source)
            except Exception as still:  # noqa: BLE001 - handled like the first
                error = still
            else:
                return
        if passes(error):
            await self._outage.wait(error, began=began)
            return
        if self._fault is None:
            log.error("a lane cannot read", stream=source.stream, exc_info=error)
        self._fault = error
        await asyncio.sleep(BLOCK_MS / 1000)

    def _enter(self) -> None:
        self._reading += 1
        self._idle.clear()

    def _exit(self) -> None:
        self._reading -= 1
        if not self._reading:
            self._idle.set()


async def _raw_batch(message: Any) -> StreamMessage[Any]:  # noqa: ANN401 - FastStream's raw message
    """Keep the entries as they came: a parser that reads them would let one bad entry block its whole batch."""
    entries = [
        Entry(entry_id.decode(), fields)
        for entry_id, fields in zip(message["message_ids"], message["data"], strict=True)
    ]
    return StreamMessage(raw_message=message, body=entries)


async def _answered(*_: object, **__: object) -> bool:
    """Stands for a command of FastStream's start that is not needed."""
    return True


async def _body(message: StreamMessage[Any]) -> Any:  # noqa: ANN401
    return message.body
