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

    A lane may read while fewer images than seats are here. It reads one entry at a time, and twice as many after each
    batch that needed no pool.
    """

    def __init__(self, children: int) -> None:
        self._seats = AHEAD * children
        self._taken = 0
        self._free = asyncio.Event()
        self._free.set()
        self._counts: dict[str, int] = {}

    async def admit(self, source: Source) -> int:
        while not self._free.is_set():
            await self._free.wait()
        return self._counts.get(source.stream, 1)

    def leave(self, source: Source, admitted: int, taken: int) -> None:
        """Nothing is kept for a read under way: it may come back empty."""

    def room(self, source: Source) -> int:  # noqa: ARG002 - part of the protocol
        return max(0, self._seats - self._taken)

    def learn(self, source: Source, *, seated: int) -> None:
        """A batch came of which `seated` entries need the pool."""
        count = self._counts.get(source.stream, 1)
        self._counts[source.stream] = 1 if seated else min(2 * count, MOST)

    def sit(self) -> None:
        """An image takes a seat."""
        self._taken += 1
        if self._taken >= self._seats:
            self._free.clear()

    def rise(self) -> None:
        """An image gives its seat back."""
        self._taken -= 1
        if self._taken < self._seats:
            self._free.set()
