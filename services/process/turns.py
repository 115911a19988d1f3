"""Who gets the next idle child: images of normal priority first, bulk ones in their share."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

Child = TypeVar("Child")


class Turn(Generic[Child]):
    """One image that waits, or will wait, for a child."""

    __slots__ = ("bulk", "granted")

    def __init__(self, *, bulk: bool) -> None:
        self.bulk = bulk
        self.granted: asyncio.Future[Child] | None = None


class Turns(Generic[Child]):
    """Idle children, and two queues before them.

    While both queues wait, one of `share` children goes to bulk: a lone image of normal priority waits for the next
    child at most, and a backlog of them never stops bulk.
    """

    def __init__(self, share: int) -> None:
        self._share = share
        #: The one that worked last is the warmest.
        self._idle: list[Child] = []
        self._normal: deque[Turn[Child]] = deque()
        self._bulk: deque[Turn[Child]] = deque()
        #: Children that went to normal ones since bulk waits or had its last.
        self._passed = 0

    @property
    def idle(self) -> int:
        """Children without work."""
        return len(self._idle)

    def waiting(self, *, bulk: bool) -> int:
        """Images of a priority that wait for a child."""
        return len(self._bulk if bulk else self._normal)

    def free(self, child: Child) -> None:
        """A child has no work, or none any more."""
        self._idle.append(child)
        self._grant()

    async def child(self, turn: Turn[Child]) -> Child:
        """The next child that this turn gets; whoever has it gives it back with `free`."""
        granted: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        turn.granted = granted
        self._queue(turn).append(turn)
        self._grant()
        try:
            return await granted
        except asyncio.CancelledError:
            if not granted.cancelled():  # the child came in the same moment
                self.free(granted.result())
            elif turn in (queue := self._queue(turn)):
                queue.remove(turn)
            raise

    def promote(self, turn: Turn[Child]) -> None:
        """Somebody of normal priority waits for this one too."""
        waits = turn.granted is not None and not turn.granted.done()
        if turn.bulk and waits:
            self._bulk.remove(turn)
            self._normal.append(turn)
        turn.bulk = False

    def _queue(self, turn: Turn[Child]) -> deque[Turn[Child]]:
        return self._bulk if turn.bulk else self._normal

    def _grant(self) -> None:
        while self._idle and (self._normal or self._bulk):
            granted = self._next().granted
            # One that was cancelled just now may still stand here.
            if granted is not None and not granted.done():
                granted.set_result(self._idle.pop())

    def _next(self) -> Turn[Child]:
        if self._normal and not (self._bulk and self._passed + 1 >= self._share):
            self._passed = self._passed + 1 if self._bulk else 0
            return self._normal.popleft()
        self._passed = 0
        return self._bulk.popleft()
