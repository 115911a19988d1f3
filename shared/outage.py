"""Waiting out a server that is away: backoff with jitter, and one log line when it goes and one when it returns."""

import asyncio
import random
import time
from typing import Final

import structlog

log = structlog.get_logger()

#: Seconds before the first retry and at most between two; doubled from try to try, each time a random part of it.
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0


class Outage:
    """What one component knows of the reachability of one server; shared by all its tasks."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._since: float | None = None
        self._pause = FIRST_PAUSE
        self.error: Exception | None = None

    @property
    def ongoing(self) -> bool:
        return self._since is not None

    async def wait(self, error: Exception) -> None:
        """Note a failure and pause before the next try."""
        if self._since is None:
            self._since = time.monotonic()
            log.warning("server away", server=self._server, error=f"{type(error).__name__}: {error}")
        self.error = error
        pause = random.uniform(FIRST_PAUSE, self._pause)  # noqa: S311 - jitter, not a secret
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        await asyncio.sleep(pause)

    def over(self) -> None:
        """Note a success."""
        if self._since is not None:
            log.info("server back", server=self._server, seconds=round(time.monotonic() - self._since, 1))
            self._since = None
            self._pause = FIRST_PAUSE
            self.error = None
