"""Lanes: several readers of one stream in one process, each with one small batch in work.

A lane is a FastStream subscriber (batch, manual acknowledgement, raw parser). FastStream reads a fixed COUNT, stops for
good when the group is gone, retries some errors without a pause and others after five seconds; so the one read
call of each subscriber is replaced by `Lane.read`, which asks the door how much it may take, recreates what is
missing and waits out an outage.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.redis import RedisBroker, StreamSub
from redis.exceptions import RedisError, ResponseError

from shared import groups
from shared.entries import Entry, Source
from shared.outage import Outage
from shared.scripts import RedisClient

Batch = Sequence[Entry]
Handler = Callable[[Source, Batch], Awaitable[None]]

#: Milliseconds one read waits for entries; also how long a drain waits for reads under way.
BLOCK_MS: Final = 500


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
    """All lanes of one stage, on one broker of their own."""

    def __init__(
        self, url: str, redis: RedisClient, *, consumer: str, handler: Handler, door: Door, outage: Outage
    ) -> None:
        self._broker = RedisBroker(url, apply_types=False, logger=_SILENT, graceful_timeout=None)
        self._redis = redis
        self._consumer = consumer
        self._handler = handler
        self._door = door
        self._outage = outage
        self._closed = False
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
        self._connection: RedisClient = await self._broker.connect()
        await self._broker.start()

    @property
    def running(self) -> bool:
        """Whether every lane reads; FastStream stops a subscriber for good on errors it holds to be final."""
        return all(
            subscriber.running and any(not task.done() for task in subscriber.tasks) for subscriber in self._subscribers
        )

    async def close(self) -> None:
        """Start no read any more; returns when those under way came back and were handed over."""
        self._closed = True
        await self._idle.wait()

    async def stop(self) -> None:
        """Stop the subscribers; what they still have in work is cancelled."""
        await self._broker.stop()

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
        try:
            reply = await self._connection.xreadgroup(
                source.group, self._consumer, {source.stream: ">"}, count=count, block=BLOCK_MS
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                await self._outage.wait(error)
                return ()
            await self._recreate(source)
            return ()
        except (RedisError, OSError) as error:
            await self._outage.wait(error)
            return ()
        self._outage.over()
        return reply

    async def _recreate(self, source: Source) -> None:
        try:
            await groups.ensure(self._redis, source)
        except (RedisError, OSError) as error:
            await self._outage.wait(error)

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


async def _body(message: StreamMessage[Any]) -> Any:  # noqa: ANN401
    return message.body
