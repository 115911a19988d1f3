"""How many entries a lane may read now: few when they need the pool, many when they are settled at once."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, Self

from services.process.orders import Order
from shared.entries import Source

#: Entries of one read while none of the last ones needed the pool, doubled up to from one. A read, its script and all
#: that is done once for a batch cost each of 64 jobs 10 µs more; the server is busy with a script of so many for 3 ms.
MOST: Final = 256
#: Images of each child below which more are read: one in work, one ready so that the child is never idle.
AHEAD: Final = 2
#: Seconds within which an image that was read shall start. Small images are read in groups that fill this time, because
#: each read, start and end of one alone would cost a good part of what its pixels do.
SOON: Final = 0.05
#: Images of each child beyond AHEAD that are read at most.
_FARTHER: Final = 8
#: How many times later than expected an image may start before it is handed back.
_PATIENCE: Final = 2
#: Megapixels that cost as much as what an image takes whatever its size.
_FIXED: Final = 0.1
#: Megapixels of an image whose publisher did not tell.
_UNTOLD: Final = 1.0
#: How much the latest image counts in the estimate when it was faster than expected; a slower one counts in full.
_FORGET: Final = 0.2


class PoolDoor:
    """Keeps this process from taking images that another one could start sooner.

    Each priority has seats of its own, so that no backlog of bulk images keeps a normal one out; whose turn it is among
    those inside, `services.process.turns` says. One lane of a stream reads at a time, from when few images are here,
    as many as can start soon. It reads up to twice as many after each batch that needed no pool.
    """

    def __init__(self, children: int) -> None:
        self._children = children
        self._seats = {bulk: Seats(AHEAD * children) for bulk in (False, True)}
        self._counts: dict[str, int] = {}
        self._readers: defaultdict[str, Reader] = defaultdict(Reader)
        #: Streams of each priority whose last read brought something: they share its seats.
        self._streams: defaultdict[bool, set[str]] = defaultdict(set)
        #: Seconds that an image takes in its child: of size 1, and as the last ones came.
        self._seconds = 0.0
        self._recent = 0.0

    async def admit(self, source: Source) -> int:
        await self._readers[source.stream].enter()
        try:
            await self._seats[source.bulk].wait()
        except asyncio.CancelledError:
            self._readers[source.stream].leave()
            raise
        room = self.room(source) // len(self._streams[source.bulk] | {source.stream})
        return min(MOST, max(self._counts.get(source.stream, 1), room))

    def leave(self, source: Source, admitted: int, taken: int) -> None:  # noqa: ARG002 - part of the protocol
        """A lane has read. If something came, the next lane waits until `learn` tells how much of it needs the pool."""
        if taken:
            self._streams[source.bulk].add(source.stream)
        else:
            self._streams[source.bulk].discard(source.stream)
            self._readers[source.stream].leave()

    def room(self, source: Source) -> int:
        return self._seats[source.bulk].left

    def learn(self, source: Source, *, seated: int) -> None:
        """A batch was sorted: `seated` of its entries need the pool and have taken their seats."""
        count = self._counts.get(source.stream, 1)
        self._counts[source.stream] = 1 if seated else min(2 * count, MOST)
        self._readers[source.stream].leave()

    def fitting(self, source: Source, orders: Sequence[Order]) -> int:
        """How many of these images, from the first, have a seat and start soon: one at least.

        Their number was chosen for images like the last ones. Only what is a good deal larger is handed back.
        """
        seats = self._seats[source.bulk]
        soon = self._children * (SOON + AHEAD * self._recent)
        ahead = 0.0
        for number, order in enumerate(orders):
            late = number >= seats.wanted and ahead > _PATIENCE * soon
            if number and (number >= seats.left or late):
                return number
            ahead += self._seconds * _size(order)
        return len(orders)

    def took(self, order: Order, seconds: float) -> None:
        """An image was in its child for so long."""
        latest = seconds / _size(order)
        self._seconds = max(latest, self._seconds + _FORGET * (latest - self._seconds))
        self._recent = max(seconds, self._recent + _FORGET * (seconds - self._recent))
        farther = min(_FARTHER, int(SOON / self._recent)) if self._recent else 0
        for seats in self._seats.values():
            seats.most = self._children * (AHEAD + farther)

    def sit(self, source: Source) -> None:
        """An image takes a seat."""
        self._seats[source.bulk].change(1)

    def rise(self, source: Source) -> None:
        """An image gives its seat back."""
        self._seats[source.bulk].change(-1)


class Seating:
    """The seats of one batch. `with` it, whatever the batch has not given back by its end is given back then."""

    def __init__(self, door: PoolDoor, source: Source) -> None:
        self._door = door
        self._source = source
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._taken:
            self.rise()

    def sit(self, images: int) -> None:
        """So many images take their seats."""
        for _ in range(images):
            self._door.sit(self._source)
        self._taken += images

    def rise(self) -> None:
        """One of them is out of its child."""
        self._taken -= 1
        self._door.rise(self._source)


class Reader:
    """The one lane of a stream that may read: a task from its read until its batch was sorted."""

    def __init__(self) -> None:
        self._lane: asyncio.Task[Any] | None = None
        self._free = asyncio.Event()
        self._free.set()

    async def enter(self) -> None:
        while not self._free.is_set():
            await self._free.wait()
        self._free.clear()
        self._lane = asyncio.current_task()

    def leave(self) -> None:
        """Let the next lane read; nothing when another task than this one reads, as for a batch that was taken over."""
        if self._lane is asyncio.current_task():
            self._lane = None
            self._free.set()


def _size(order: Order) -> float:
    """What an image costs, 1 for about a megapixel."""
    width, height = order.upload.width, order.upload.height
    return _FIXED + (width * height / 1e6 if width and height else _UNTOLD)


class Seats:
    """How many images of one priority may be here; a batch may take more than there are."""

    def __init__(self, few: int) -> None:
        #: More are wanted while fewer are taken.
        self._few = few
        #: Seats altogether, `few` or more.
        self.most = few
        self._taken = 0
        self._wanted = asyncio.Event()
        self._wanted.set()

    @property
    def left(self) -> int:
        return max(0, self.most - self._taken)

    @property
    def wanted(self) -> int:
        """How many may come whatever they cost."""
        return max(0, self._few - self._taken)

    async def wait(self) -> None:
        """Wait until fewer than `few` are taken."""
        while not self._wanted.is_set():
            await self._wanted.wait()

    def change(self, taken: int) -> None:
        self._taken += taken
        if self._taken < self._few:
            self._wanted.set()
        else:
            self._wanted.clear()
