"""How the projection reads: what comes at about one time is taken together."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from shared.entries import Source

#: Seconds between two reads while events come several at a time; nobody sees that a state is this much older.
PAUSE: Final = 0.02


@dataclass(slots=True)
class _Turn:
    """Whether a lane of a stream may read, and whether it waits for more to come before it does."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    several: bool = False


class GatheringDoor:
    """One lane of a stream reads at a time, up to `most` events.

    Each read and the script that follows cost the server and this process as much as some ten events. Where several
    come at a time, as they do from services at work, the next read waits a moment for more. One that comes alone, as
    all do where one client waits for one job, is read at once, and so is what is left where more came than one read
    takes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._turns: defaultdict[str, _Turn] = defaultdict(_Turn)

    async def admit(self, source: Source) -> int:
        turn = self._turns[source.stream]
        await turn.lock.acquire()
        try:
            if turn.several:
                await asyncio.sleep(PAUSE)
        except asyncio.CancelledError:
            turn.lock.release()
            raise
        return self._most

    def leave(self, source: Source, admitted: int, taken: int) -> None:
        turn = self._turns[source.stream]
        turn.several = 1 < taken < admitted
        turn.lock.release()

    def room(self, source: Source) -> int:  # noqa: ARG002 - part of the protocol
        return self._most
