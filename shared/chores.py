"""Chores: what a service does again and again beside its work, and which must never stop unnoticed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from shared.outage import Outage, passes

log = structlog.get_logger()

#: Seconds after which a chore that failed for an unknown reason is tried again: at first, and at most.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Chore:
    """A step repeated for ever, every `pause` seconds.

    While the server is away it waits with everybody else. Any other failure is logged once, kept in `fault` (readiness
    looks there) and tried again, until the step succeeds.
    """

    def __init__(self, name: str, step: Callable[[], Awaitable[None]], *, pause: float, outage: Outage) -> None:
        self.name = name
        self.fault: Exception | None = None
        self._step = step
        self._pause = pause
        self._outage = outage

    async def run(self) -> None:
        patience = _FIRST_PAUSE
        while True:
            await asyncio.sleep(self._pause)
            began = time.monotonic()
            try:
                await self._step()
            except Exception as error:
                if passes(error):
                    await self._outage.wait(error, began=began)
                    continue
                if self.fault is None:
                    log.exception("a chore fails", chore=self.name)
                self.fault = error
                await asyncio.sleep(patience)
                patience = min(2 * patience, _LONGEST_PAUSE)
            else:
                self.fault, patience = None, _FIRST_PAUSE
