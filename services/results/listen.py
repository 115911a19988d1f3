"""Listening to the changes that projections announce, once per replica and only while somebody is interested.

Every replica hears every change through pub/sub, whichever projected it. Pub/sub forgets what it could not deliver, so
after each (re)connection every subscription is told to look at the records again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import structlog
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from shared import cluster, keys
from shared.outage import Outage
from shared.scripts import RedisClient

log = structlog.get_logger()

#: Seconds that one read waits; also how soon a drain is noticed.
_TURN: Final = 0.25
#: Seconds without a word from the server after which it is asked whether it is there, and given as long to answer.
SILENCE: Final = 5.0


class Change(msgspec.Struct, frozen=True):
    """One change of one job, as the scripts announce it: version, job, batch, owner, new state.

    Without a job it is one of the batch: it was closed.
    """

    v: int
    job: str
    batch: str
    owner: str
    state: str


_changes = msgspec.json.Decoder(list[Change])


class Subscription:
    """What changed for one client since it last took it: at most one note per job."""

    def __init__(self, partition: int, owner: str, *, job: str | None = None, batch: str | None = None) -> None:
        self.partition = partition
        self._owner = owner
        self._job = job
        self._batch = batch
        self._changed: dict[str, int] = {}
        self._heard = 0
        self._awake = asyncio.Event()
        #: Set once the server confirmed that it sends changes.
        self.confirmed = False
        #: Set when notes may have been missed: read all records again.
        self.stale = False
        #: Set when the service drains: end the stream.
        self.closed = False

    def offer(self, change: Change) -> None:
        wanted = change.job == self._job if self._job is not None else change.batch == self._batch
        if wanted and change.owner == self._owner:
            if change.job:
                self._changed[change.job] = change.v
            self._heard = max(self._heard, change.v)
            self._awake.set()

    def close(self) -> None:
        self.closed = True
        self._awake.set()

    def confirm(self) -> None:
        """The server sends changes from now on; whoever had been listening before has missed some."""
        self.stale = self.confirmed
        self.confirmed = True
        self._awake.set()

    async def ready(self) -> None:
        """Wait until the first confirmation (or the end)."""
        while not self.confirmed and not self.closed:
            await self._awake.wait()

    async def wait(self, seconds: float) -> bool:
        """Wait for news; false when none came within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> tuple[dict[str, int], int]:
        """The changed jobs with the version of their change, and the highest version heard; then forget them."""
        changed, self._changed = self._changed, {}
        self._awake.clear()
        return changed, self._heard


class _Pulse:
    """Whether the server at the other end is there: one that is cut off says nothing, like one without news."""

    def __init__(self, pubsub: Any, silence: float) -> None:  # noqa: ANN401 - redis-py's is untyped
        self._pubsub = pubsub
        self._silence = silence
        self._heard = time.monotonic()
        self._asked = False

    async def felt(self, *, heard: bool) -> None:
        """Note the end of a read. Raises NoConnection when the server owes an answer for too long."""
        now = time.monotonic()
        if heard:
            self._heard, self._asked = now, False
        elif now - self._heard > self._silence:
            if self._asked:
                raise NoConnection("no answer to a ping")
            self._heard, self._asked = now, True
            await self._pubsub.ping()


class Listener:
    """The one pub/sub connection of a replica."""

    def __init__(self, redis: RedisClient, *, draining: Callable[[], bool], silence: float = SILENCE) -> None:
        self._redis = redis
        self._draining = draining
        self._silence = silence
        self._outage = Outage("redis pub/sub")
        self._subscriptions: dict[int, set[Subscription]] = {}
        self._subscribed: set[int] = set()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def clients(self) -> int:
        return sum(len(group) for group in self._subscriptions.values())

    @asynccontextmanager
    async def subscribe(self, subscription: Subscription) -> AsyncIterator[Subscription]:
        """Deliver changes to `subscription` from before this returns; it waits until the server confirmed."""
        group = self._subscriptions.setdefault(subscription.partition, set())
        group.add(subscription)
        subscription.confirmed = subscription.partition in self._subscribed
        self._wanted.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            await subscription.ready()
            yield subscription
        finally:
            group.discard(subscription)
            if not group and self._subscriptions.get(subscription.partition) is group:
                del self._subscriptions[subscription.partition]
            self._wanted.set()

    async def close(self) -> None:
        """End every subscription, then the connection."""
        self._end_all()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Listen until nobody is interested any more."""
        while self._subscriptions:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                self._subscribed.clear()
                await self._outage.wait(error)
            if self._draining():
                self._end_all()
        self._subscribed.clear()

    async def _listen(self) -> None:
        pubsub: Any = self._redis.pubsub()
        asked: set[int] = set()
        pulse = _Pulse(pubsub, self._silence)
        turns = cluster.turns(self._redis)
        try:
            # Nodes of a cluster tell each other what was published, but not while one takes over from another.
            while self._subscriptions and turns == cluster.turns(self._redis):
                if self._wanted.is_set() or not asked:
                    self._wanted.clear()
                    asked = await self._adjust(pubsub, asked)
                message = await pubsub.get_message(timeout=_TURN)
                await pulse.felt(heard=message is not None)
                if message is not None:
                    self._take(message)
                    self._outage.over()
                if self._draining():
                    self._end_all()
        finally:
            await pubsub.aclose()

    async def _adjust(self, pubsub: Any, asked: set[int]) -> set[int]:  # noqa: ANN401 - redis-py's is untyped
        """Subscribe to the partitions that have clients and leave those that have none."""
        wanted = set(self._subscriptions)
        if wanted - asked:
            await pubsub.subscribe(*(keys.changes(partition) for partition in wanted - asked))
        if asked - wanted:
            self._subscribed -= asked - wanted
            await pubsub.unsubscribe(*(keys.changes(partition) for partition in asked - wanted))
        return wanted

    def _take(self, message: dict[str, Any]) -> None:
        partition = int(message["channel"].decode().partition("{")[2].rstrip("}"))
        if message["type"] == "subscribe":
            self._subscribed.add(partition)
            for subscription in self._subscriptions.get(partition, ()):
                subscription.confirm()
        elif message["type"] == "message":
            for change in _changes.decode(message["data"]):
                for subscription in self._subscriptions.get(partition, ()):
                    subscription.offer(change)

    def _end_all(self) -> None:
        for group in self._subscriptions.values():
            for subscription in group:
                subscription.close()
