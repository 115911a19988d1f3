"""Waiting out a server that is away: backoff with jitter, and one log line when it goes and one when it returns."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from redis import exceptions as redis_errors

from shared import slots
from shared.connections import told_by
from shared.slots import Address

log = structlog.get_logger()

#: Seconds before the first retry and at most between two; doubled from try to try, each time a random part of it.
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0

#: What Redis answers while it starts, fails over, is full, cannot write its file, has too few replicas, or lost its
#: groups or its login: the same call succeeds once somebody has mended that.
_PASSING_ANSWERS: Final = frozenset(
    {"LOADING", "READONLY", "MASTERDOWN", "UNBLOCKED", "CLUSTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "NOREPLICAS"}
    | {"BUSY", "NOGROUP", "NOAUTH", "WRONGPASS", "NOPERM"}
)
_PASSING_KINDS: Final = (
    OSError,
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ClusterError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
    redis_errors.OutOfMemoryError,
    redis_errors.NoPermissionError,
)


def passes(error: BaseException) -> bool:
    """Whether waiting helps. Other answers of the server mean that the call itself is wrong, now and always."""
    if isinstance(error, _PASSING_KINDS):
        return True
    return isinstance(error, redis_errors.ResponseError) and told_by(error) in _PASSING_ANSWERS


class Outage:
    """What one component knows of the reachability of one server; shared by all its tasks.

    A server counts as away from the first failure to the first success after it, the log says so once each.
    """

    def __init__(self, server: str, *, longest_pause: float = LONGEST_PAUSE) -> None:
        self._server = server
        #: Nodes of a cluster that failed, when they last did, and whether they said so themselves (CLUSTERDOWN): what
        #: others answer does not end their outage.
        self._missing: dict[Address, tuple[float, bool]] = {}
        self._since: float | None = None
        self._longest = max(longest_pause, FIRST_PAUSE)
        self._pause = FIRST_PAUSE
        self.error: Exception | None = None
        #: When the last outage ended, in seconds of the event loop's clock.
        self.ended = float("-inf")

    @property
    def ongoing(self) -> bool:
        return self._since is not None

    async def wait(self, error: Exception, *, began: float | None = None) -> None:
        """Note the failure of a call that began at `began` (of `time.monotonic`) and pause before the next try.

        A call from before the end of an outage which fails after it tells nothing new.
        """
        if began is None or began > self.ended:
            if self._since is None:
                self._since = time.monotonic()
                log.warning("server away", server=self._server, error=f"{type(error).__name__}: {error}")
            self.error = error
            if (node := getattr(error, "node", None)) is not None:
                self._missing[node] = time.monotonic(), isinstance(error, redis_errors.ClusterDownError)
        pause = random.uniform(FIRST_PAUSE, self._pause)  # noqa: S311 - jitter, not a secret
        self._pause = min(self._pause * 2, self._longest)
        await asyncio.sleep(pause)

    def over(self, *, began: float | None = None) -> None:
        """Note the success of a call that began at `began` (of `time.monotonic`): the server answered.

        One that began before the outage tells nothing of now: a server that refuses writes, because its disk is full or
        it became a replica, lets a read that waits for entries come to its end.
        """
        if began is not None and self._since is not None and began < self._since:
            return
        for node, (moment, served) in list(self._missing.items()):
            if not slots.answers_since(node, moment, served=served):
                return
            del self._missing[node]
        self._pause = FIRST_PAUSE
        if self._since is not None:
            self.ended = time.monotonic()
            log.info("server back", server=self._server, seconds=round(self.ended - self._since, 1))
            self._since = None
            self.error = None

    async def persist(self, call: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Repeat a call that is safe to repeat until the server answers it. Raises what waiting does not mend."""
        while True:
            began = time.monotonic()
            try:
                answer = await call(*args, **kwargs)
            except (redis_errors.RedisError, OSError) as error:
                if not passes(error):
                    raise
                await self.wait(error, began=began)
            else:
                self.over(began=began)
                return answer
