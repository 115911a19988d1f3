"""How many entries a lane may read now: few when they need the pool, many when they are settled at once."""

import asyncio
from typing import Final

from shared.entries import Source

#: Entries of one read while none of the last ones needed the pool (chunks of 50 to 100 are enough, see FACTS in
#: DECISIONS.md), doubled up to from one.
MOST: Final = 64
#: Images that may be in work or wait for each child: one in work, one ready so that the child is never idle.
AHEAD: Final = 2


class PoolDoor:
    """Keeps this process from taking images that another one could start sooner.

    Each priority has seats of its own, so that no backlog of bulk images keeps a normal one out; whose turn it is among
    those inside, `services.process.turns` says. A lane may read while fewer images than seats are here. It reads one
    entry at a time, and twice as many after each batch that needed no pool.
    """

    def __init__(self, children: int) -> None:
        self._seats = {bulk: Seats(AHEAD * children) for bulk in (False, True)}
        self._counts: dict[str, int] = {}

    async def admit(self, source: Source) -> int:
        await self._seats[source.bulk].wait()
        return self._counts.get(source.stream, 1)

    def leave(self, source: Source, admitted: int, taken: int) -> None:
        """Nothing is kept for a read under way: it may come back empty."""

    def room(self, source: Source) -> int:
        return self._seats[source.bulk].left

    def learn(self, source: Source, *, seated: int) -> None:
        """A batch came of which `seated` entries need the pool."""
        count = self._counts.get(source.stream, 1)
        self._counts[source.stream] = 1 if seated else min(2 * count, MOST)

    def sit(self, source: Source) -> None:
        """An image takes a seat."""
        self._seats[source.bulk].change(1)

    def rise(self, source: Source) -> None:
        """An image gives its seat back."""
        self._seats[source.bulk].change(-1)


class Seats:
    """How many images of one priority may be here; a batch may take more than there are."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._taken = 0
        self._free = asyncio.Event()
        self._free.set()

    @property
    def left(self) -> int:
        return max(0, self._number - self._taken)

    async def wait(self) -> None:
        """Wait until one is free."""
        while not self._free.is_set():
            await self._free.wait()

    def change(self, taken: int) -> None:
        self._taken += taken
        if self.left:
            self._free.set()
        else:
            self._free.clear()
