"""How many entries a lane may read now: few when they need the pool, many when they are settled at once."""

import asyncio
from collections import defaultdict
from typing import Final

from shared.entries import Source

#: Entries of one read while none of the last ones needed the pool (chunks of 50 to 100 are enough, see FACTS in
#: DECISIONS.md), doubled up to from one.
MOST: Final = 64
#: Images of each child below which more are read: one in work, one ready so that the child is never idle.
AHEAD: Final = 2
#: Seconds within which an image that was read shall start. Small images are read in groups that fill this time, because
#: each read, start and end of one alone would cost a good part of what its pixels do.
SOON: Final = 0.05
#: Images of each child that are read ahead at most.
_FARTHEST: Final = 8
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
        self._streams: defaultdict[bool, set[str]] = defaultdict(set)
        #: Seconds that an image takes in its child.
        self._seconds = 0.0

    async def admit(self, source: Source) -> int:
        await self._readers[source.stream].enter()
        try:
            await self._seats[source.bulk].wait()
        except asyncio.CancelledError:
            self._readers[source.stream].leave()
            raise
        self._streams[source.bulk].add(source.stream)
        return max(self._counts.get(source.stream, 1), self.room(source) // len(self._streams[source.bulk]))

    def leave(self, source: Source, admitted: int, taken: int) -> None:  # noqa: ARG002 - part of the protocol
        """What was read keeps the next lane out until it is known how much of it needs the pool (`learn`)."""
        if not taken:
            self._readers[source.stream].leave()

    def room(self, source: Source) -> int:
        return self._seats[source.bulk].left

    def learn(self, source: Source, *, seated: int) -> None:
        """A batch was sorted: `seated` of its entries need the pool and have taken their seats."""
        count = self._counts.get(source.stream, 1)
        self._counts[source.stream] = 1 if seated else min(2 * count, MOST)
        self._readers[source.stream].leave()

    def took(self, seconds: float) -> None:
        """An image was in its child for so long."""
        self._seconds = max(seconds, self._seconds + _FORGET * (seconds - self._seconds))
        farther = min(_FARTHEST, int(SOON / self._seconds)) if self._seconds else 0
        for seats in self._seats.values():
            seats.most = self._children * (AHEAD + farther)

    def sit(self, source: Source) -> None:
        """An image takes a seat."""
        self._seats[source.bulk].change(1)

    def rise(self, source: Source) -> None:
        """An image gives its seat back."""
        self._seats[source.bulk].change(-1)


class Reader:
    """The one lane of a stream that may read."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    async def enter(self) -> None:
        while not self._free.is_set():
            await self._free.wait()
        self._free.clear()

    def leave(self) -> None:
        """Also for a batch that came another way than by a lane: then two lanes read for a moment."""
        self._free.set()


class Seats:
    """How many images of one priority may be here; a batch may take more than there are."""

    def __init__(self, few: int) -> None:
        self._few = few
        #: Seats altogether, `few` or more.
        self.most = few
        self._taken = 0
        self._wanted = asyncio.Event()
        self._wanted.set()

    @property
    def left(self) -> int:
        return max(0, self.most - self._taken)

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
