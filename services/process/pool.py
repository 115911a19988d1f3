"""The pool of processes that develop images.

A crash, a hang or memory growth costs the one image that caused it, never the service: its child is replaced. A
child that has grown is replaced while it is idle. Identical requests at the same moment share one computation.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any, Final

import structlog

from services.process import worker
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from services.process.turns import Turn, Turns
from services.process.worker import EngineFault, Worker
from shared.errors import WorkerCrashed

log = structlog.get_logger()

_MIB: Final = 1024 * 1024
#: Seconds before a child that could not start is tried again: first and longest.
_RETRY: Final = (0.2, 10.0)
#: Tries to start a child of a new pool before the service gives up.
_START_TRIES: Final = 8


@dataclass(slots=True)
class _Shared:
    """A computation and how many callers wait for it."""

    task: asyncio.Task[Report]
    turn: Turn[Worker]
    waiters: int = 0


class Pool:
    """`size` warm children. Use it from one event loop: `start`, then `develop`, in the end `close`."""

    def __init__(self, settings: ProcessSettings) -> None:
        self.settings = settings
        self.size = settings.workers or cores()
        #: Children replaced, by reason: crashed, timed_out, cancelled, grown.
        self.restarts: Counter[str] = Counter()
        self._turns: Turns[Worker] = Turns(settings.bulk_share)
        self._workers: set[Worker] = set()
        self._dying: set[Worker] = set()
        self._running: dict[tuple[Any, ...], _Shared] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._context: BaseContext | None = None

    @property
    def children(self) -> int:
        """Live children."""
        return len(self._workers)

    @property
    def pids(self) -> list[int]:
        """Process ids of the live children."""
        return sorted(child.pid for child in self._workers)

    @property
    def busy(self) -> int:
        """Children that are developing an image."""
        return len(self._workers) - self._turns.idle

    def crowded(self, *, bulk: bool) -> bool:
        """Whether more images of a priority wait than the children will take next."""
        return self._turns.waiting(bulk=bulk) > self.size

    @property
    def resident(self) -> int:
        """Resident memory of all children in bytes, as they last told it."""
        return sum(child.resident for child in self._workers)

    async def start(self) -> None:
        """Start all children and wait until they are warm. Raises WorkerCrashed when one cannot start."""
        self._context = worker.prepare()
        await asyncio.gather(*(self._begin() for _ in range(self.size)))

    async def develop(self, request: Request, *, bulk: bool = False) -> Report:
        """Develop one image; waits for its turn at an idle child, which does not count against the time limit.

        Raises TimedOut, WorkerCrashed and EngineFault. When every caller of the same work was cancelled, the child
        that does it is stopped.
        """
        work = request.work
        shared = self._running.get(work)
        if shared is None:
            turn: Turn[Worker] = Turn(bulk=bulk)
            shared = self._running[work] = _Shared(asyncio.create_task(self._develop(request, turn)), turn)
            shared.task.add_done_callback(partial(self._forget, work, shared))
        elif not bulk:
            self._turns.promote(shared.turn)
        shared.waiters += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiters -= 1
            if not shared.waiters and not shared.task.done():
                self._forget(work, shared)
                shared.task.cancel()

    async def close(self, grace: float) -> None:
        """Give work under way `grace` seconds to finish, then end every child."""
        tasks = [shared.task for shared in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
        chores = list(self._chores)
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*tasks, *chores, return_exceptions=True)
        await asyncio.gather(*(child.kill() for child in self._workers | self._dying))
        self._workers.clear()
        self._dying.clear()

    def _forget(self, work: tuple[Any, ...], shared: _Shared, _: object = None) -> None:
        """Nobody joins this computation any more; a later one of the same work is left alone."""
        if self._running.get(work) is shared:
            del self._running[work]

    async def _develop(self, request: Request, turn: Turn[Worker]) -> Report:
        while not (child := await self._turns.child(turn)).take(request):
            # No image is to blame.
            self._replace(child, "crashed")
        try:
            report = await child.develop(self.settings.time_limit)
        except EngineFault:
            self._turns.free(child)
            raise
        except BaseException as error:
            self._replace(child, getattr(error, "code", "cancelled"))
            raise
        if child.resident - child.base > self.settings.recycle_growth * _MIB:
            self._replace(child, "grown")
        else:
            self._turns.free(child)
        return report

    def _replace(self, child: Worker, reason: str) -> None:
        self.restarts[reason] += 1
        log.info("replacing a worker", reason=reason, pid=child.pid, resident=child.resident)
        self._workers.discard(child)
        self._dying.add(child)
        self._chore(self._renew(child))

    async def _renew(self, child: Worker) -> None:
        await child.kill()
        self._dying.discard(child)
        pause, longest = _RETRY
        while True:
            try:
                await self._add()
            except (WorkerCrashed, TimeoutError) as error:
                log.warning("a worker could not start", error=str(error), retry_s=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
            else:
                return

    async def _begin(self) -> None:
        """Start a child of a new pool; what happens once may be bad luck."""
        for _ in range(_START_TRIES - 1):
            try:
                return await self._add()
            except WorkerCrashed as error:
                log.warning("a worker could not start", error=str(error), retry_s=_RETRY[0])
                await asyncio.sleep(_RETRY[0])
        return await self._add()

    async def _add(self) -> None:
        if self._context is None:
            raise RuntimeError("the pool has not been started")
        child = await Worker.start(self._context, self.settings.blob_url, self.settings.memory_limit)
        self._workers.add(child)
        self._turns.free(child)

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
