"""Running something alone: while it runs, no lane of this process reads and nothing else is in work."""

import asyncio
from collections.abc import AsyncIterator, Iterator
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

    async def admit(self, source: Source) -> int:
        """Wait while something runs alone, then ask the inner door."""
        while True:
            await self._open.wait()
            admitted = await self._door.admit(source)
            if self._open.is_set():
                self._enter()
                return admitted
            self._door.leave(source, admitted, 0)

    def room(self, source: Source) -> int:
        return self._door.room(source)

    def leave(self, source: Source, admitted: int, taken: int) -> None:
        self._door.leave(source, admitted, taken)
        self._exit()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Counts as somebody in the room."""
        self._enter()
        try:
            yield
        finally:
            self._exit()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Shut the door, wait until nobody is left, and open it again at the end."""
        async with self._turn:
            self._open.clear()
            try:
                # A lane that leaves its read enters its work in the same breath, so look again after each wait.
                while self._busy:
                    await self._empty.wait()
                yield
            finally:
                self._open.set()

    def _enter(self) -> None:
        self._busy += 1
        self._empty.clear()

    def _exit(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._empty.set()
