"""Group commit: calls made at one time share one round trip, and one made alone goes at once.

As databases do with their log: while one commit is on its way, those who come wait for its end, and then the first of
them commits for all. Nobody waits for a timer, unless a `linger` is given.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _Turn(Generic[Item, Outcome]):
    """One caller in the queue. The one that leads commits for itself and those behind it."""

    __slots__ = ("item", "leads", "outcome", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.leads = False
        self.outcome: Outcome | Exception | None = None
        self.woken: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self.woken is not None and not self.woken.done():
            self.woken.set_result(None)


class GroupCommit(Generic[Item, Outcome]):
    """Calls `commit` with items that together weigh up to `most`, or one that alone weighs more; one call at a time.

    `commit` returns what each item is answered, in order; an answer that is an exception is raised to its caller
    alone. It must be safe to repeat: when a caller that commits for others is cancelled, they commit again.
    `linger` tells how many seconds to wait for others before a commit.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        weight: Callable[[Item], int],
        most: int,
        linger: Callable[[], float] = lambda: 0,
    ) -> None:
        self._commit = commit
        self._linger = linger
        self._weight = weight
        self._most = most
        self._queue: deque[_Turn[Item, Outcome]] = deque()

    async def add(self, item: Item) -> Outcome:
        """Commit one item, alone or with others; raises what is its own answer."""
        turn: _Turn[Item, Outcome] = _Turn(item)
        self._queue.append(turn)
        try:
            if self._queue[0] is turn:
                turn.leads = True
            else:
                turn.woken = asyncio.get_running_loop().create_future()
                await turn.woken
            if turn.outcome is None:
                await self._lead()
        finally:
            if turn.outcome is None:
                self._queue.remove(turn)
            if turn.leads and self._queue:
                self._queue[0].leads = True
                self._queue[0].wake()
        if isinstance(turn.outcome, Exception):
            raise turn.outcome
        assert turn.outcome is not None  # noqa: S101 - set by whoever led
        return turn.outcome

    async def _lead(self) -> None:
        if (pause := self._linger()) > 0:
            await asyncio.sleep(pause)
        group = self._next_group()
        outcomes = await self._commit([turn.item for turn in group])
        for turn, outcome in zip(group, outcomes, strict=True):
            if turn in self._queue:
                self._queue.remove(turn)
            turn.outcome = outcome
            turn.wake()

    def _next_group(self) -> list[_Turn[Item, Outcome]]:
        group: list[_Turn[Item, Outcome]] = []
        total = 0
        for turn in self._queue:
            total += self._weight(turn.item)
            if group and total > self._most:
                break
            group.append(turn)
        return group
