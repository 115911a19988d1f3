"""Keeps the processes of the stack running: starts them, restarts what dies, stops them with their grace.

Each child leads a session of its own, so that a Ctrl-C on the terminal reaches only the supervisor, which then stops
them in order; on Linux the kernel ends them when the supervisor itself is killed.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from infra.errors import CannotStart

log = structlog.get_logger()

#: Seconds before the first restart; doubled with each further one up to the longest, both give or take a half.
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
#: Seconds after which a child counts as healthy, so that its next pause is the first one again.
HEALTHY_AFTER: Final = 10.0
#: Deaths in a row before the first success that mean the start is hopeless.
HOPELESS: Final = 3

_BOUND: Final = str(Path(__file__).with_name("bound.py"))


@dataclass(frozen=True)
class Program:
    """What to run. `grace` is the seconds it may take to end after SIGTERM; `keep` are descriptors it inherits."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    grace: float
    keep: tuple[int, ...] = ()
    #: What the kernel sends it when the supervisor dies. Jobs survive a kill, so that is the sure choice.
    at_parents_death: signal.Signals = signal.SIGKILL


@dataclass
class Child:
    """One program that is kept running until `stop`."""

    program: Program
    #: Deaths since it last was healthy.
    deaths: int = 0
    _process: asyncio.subprocess.Process | None = None
    _task: asyncio.Task[None] | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        await self._spawn()
        self._task = asyncio.create_task(self._keep_running(), name=f"keep {self.program.name}")

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL after its grace or when cancelled, and whatever it left in its session."""
        self._stopping.set()
        if self._process is not None:
            _send(self._process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(self.program.grace):
                    await self._process.wait()
            except TimeoutError:
                log.warning("killed after its grace", child=self.program.name, grace=self.program.grace)
            finally:
                _kill_group(self._process.pid)
        if self._task is not None:
            await self._task

    def check(self) -> None:
        """Raise CannotStart when it died again and again without ever having been healthy."""
        if self.deaths >= HOPELESS:
            raise CannotStart(f"{self.program.name} died {self.deaths} times while starting; its lines above say why.")

    async def _keep_running(self) -> None:
        while self._process is not None:
            started = time.monotonic()
            status = await self._process.wait()
            _kill_group(self._process.pid)
            if self._stopping.is_set():
                return
            self.deaths = 1 if time.monotonic() - started > HEALTHY_AFTER else self.deaths + 1
            pause = min(FIRST_PAUSE * 2 ** (self.deaths - 1), LONGEST_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311
            log.error("died, will be restarted", child=self.program.name, status=status, pause=round(pause, 2))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            if self._stopping.is_set():
                return
            await self._spawn()

    async def _spawn(self) -> None:
        program = self.program
        launcher = [sys.executable, "-I", "-S", _BOUND, str(os.getpid()), str(int(program.at_parents_death))]
        self._process = await asyncio.create_subprocess_exec(
            *launcher,
            *program.argv,
            env=dict(program.environment),
            stdin=asyncio.subprocess.DEVNULL,
            # Standard output belongs to the supervisor's one line of addresses.
            stdout=sys.stderr,
            pass_fds=program.keep,
            start_new_session=True,
        )
        log.debug("started", child=program.name, pid=self._process.pid)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
