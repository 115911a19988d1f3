"""Running something alone: while it runs, no lane of this process reads and nothing else is in work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from shared.entries import Source
from shared.lanes import Door


class Quiet:
    """A door before another door, which can be shut until the room behind it is empty."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._open = asyncio.Event()
        self._open.set()
        self._turn = asyncio.Lock()
        self._busy = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def shut(self) -> bool:
        return not self._open.is_set()

    async def admit(self, source: Source) -> int:
        """Wait while something runs alone, then ask the inner door."""
        while True:
            await self._open.wait()
            admitted = await self._door.admit(source)
            if self._open.is_set():
                self.enter()
                return admitted
            self._door.leave(source, admitted, 0)

    def room(self, source: Source) -> int:
        """How many entries may be taken over right now; none while something runs, or wants to run, alone."""
        return 0 if self.shut else self._door.room(source)

    def leave(self, source: Source, admitted: int, taken: int) -> None:
        self._door.leave(source, admitted, taken)
        self.exit()

    def enter(self) -> None:
        """Somebody is in the room, until `exit`."""
        self._busy += 1
        self._empty.clear()

    def exit(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._empty.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Counts as somebody in the room."""
        self.enter()
        try:
            yield
        finally:
            self.exit()

    @asynccontextmanager
    async def alone(self, wanted: Callable[[], Awaitable[bool]], *, every: float) -> AsyncIterator[bool]:
        """Shut the door, wait until nobody is left, yield true, and open it again at the end.

        While it waits, `wanted` is asked every so many seconds; once that says no, it yields false.
        """
        async with self._turn:
            self._open.clear()
            try:
                yield await self._left(wanted, every)
            finally:
                self._open.set()

    async def _left(self, wanted: Callable[[], Awaitable[bool]], every: float) -> bool:
        # A lane that leaves its read enters its work in the same breath, so look again after each wait.
        while self._busy:
            try:
                async with asyncio.timeout(every):
                    await self._empty.wait()
            except TimeoutError:
                if not await wanted():
                    return False
        return True
