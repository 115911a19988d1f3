"""The handler of the process stage: from a batch of upload events to settled jobs.

What needs no pixels (an unreadable event, a wrong chain, an identity job, a result that is stored already) is settled
at once, in one script. The rest goes to the pool (`services.process.attempts`).
"""

from collections.abc import Sequence
from dataclasses import replace

from services.process import obituary, orders, spans
from services.process.attempts import Attempts
from services.process.door import PoolDoor, Seating
from services.process.facts import Facts
from services.process.metrics import Metrics
from services.process.orders import Order
from services.process.pool import Pool
from services.process.settings import ProcessSettings
from services.process.settlement import Done, Settlement
from services.process.store_watch import StoreWatch
from shared.blobs import BlobStore
from shared.dead_letters import DeadLetter
from shared.entries import Entry, Source
from shared.errors import DarkroomError, InvalidEvent
from shared.scripts import RedisClient
from shared.stage import Stage


class Developer:
    """Handles batches; `serve` gives it the stage once that exists, for each needs the other."""

    def __init__(
        self,
        settings: ProcessSettings,
        redis: RedisClient,
        store: BlobStore,
        pool: Pool,
        door: PoolDoor,
        metrics: Metrics,
    ) -> None:
        self._redis = redis
        self._facts = Facts(redis)
        self._door = door
        self._metrics = metrics
        self._settlement = Settlement(redis, self._facts, pool, metrics)
        #: Tells whether results can be stored.
        self.store = StoreWatch(store)
        self._attempts = Attempts(settings, pool, door, self.store, self._settlement, metrics)

    def serve(self, stage: Stage) -> None:
        """Work for this stage from now on."""
        self.stage = self._settlement.stage = self._attempts.stage = stage

    async def handle(self, source: Source, batch: Sequence[Entry]) -> None:
        """Settle every entry of a batch. Raises what keeps an entry from it; that entry is redelivered."""
        seated: list[Order] = []
        with Seating(self._door, source) as seats:
            try:
                at_once, pixels = await self._sort(await self._read(source, batch))
                # More may have come than children can soon start; another process may start them sooner.
                seated = pixels[: self._door.fitting(source, pixels)]
                seats.sit(len(seated))
            finally:
                self._door.learn(source, seated=len(seated))
            if at_once:
                await self._settlement.settle(source, at_once, at_once=True)
            if beyond := pixels[len(seated) :]:
                await self.stage.hand_back(source, [order.entry for order in beyond])
            if seated:
                await self._attempts.run(source, seated, seats)

    async def obituary(self, source: Source, entry: Entry, worker: str) -> DeadLetter:
        """The dead letter of an entry that used up its attempts, and the failure of its job."""
        return self._counted(await obituary.of_spent(source, entry, worker, self._recall))

    def _counted(self, letter: DeadLetter) -> DeadLetter:
        return replace(letter, written=self._metrics.dead_letters.labels(letter.code).inc)

    async def _recall(self, job_key: str, fields: Sequence[str]) -> list[bytes | None]:
        told: list[bytes | None] = await self.stage.outage.persist(self._redis.hmget, job_key, fields)
        return told

    async def _read(self, source: Source, batch: Sequence[Entry]) -> list[Order]:
        read: list[Order] = []
        for entry in batch:
            try:
                read.append(orders.read(source, entry))
            except InvalidEvent as error:
                letter = await obituary.of_unreadable(source, entry, error, self.stage.consumer, self._recall)
                await self.stage.bury(source, entry, self._counted(letter))
        return read

    async def _sort(self, read: Sequence[Order]) -> tuple[list[Done], list[Order]]:
        """Those that are finished without the pool, and those that need it."""
        done: list[Done] = []
        rest: list[tuple[Order, str | None]] = []
        for order in read:
            result = orders.identity(order.upload)
            if result is not None:
                done.append(self._settlement.processed(order, spans.begin(order), result, cached=False))
                continue
            try:
                rest.append((order, orders.expected_key(order.upload)))
            except DarkroomError as error:
                done.append(self._settlement.failed(order, spans.begin(order), orders.failure_of(error)))
        stored = await self._facts.find([key for _, key in rest if key is not None])
        for order, key in rest:
            if key is not None and key in stored:
                done.append(self._settlement.processed(order, spans.begin(order), stored[key], cached=True))
        if stored:
            # In the order of the stream again, in which the script looks for them.
            done.sort(key=lambda one: one.order.entry.number)
        return done, [order for order, key in rest if key not in stored]
