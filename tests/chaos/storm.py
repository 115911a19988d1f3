"""The storm: kills, stops, drains and restarts of random members at random moments, and a torn network, by one seed."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Container, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from tests.chaos.fleet import Fleet, Member
from tests.support.proxy import Proxy

#: How often each blow falls, relative to the others.
BLOWS: Final = {
    "kill process": 6,
    "kill child": 4,
    "kill results": 3,
    "kill ingest": 2,
    "kill server": 2,
    "stop process": 3,
    "stop results": 2,
    "stop server": 2,
    "drain process": 4,
    "drain results": 2,
    "drain ingest": 2,
    "cut network": 2,
    "choke network": 1,
}


@dataclass
class Storm:
    """`gust` is the mean number of seconds between two blows, `lease` that of the fleet in seconds.

    `network` is what lies between the services and the server; others reach the server without it.
    """

    fleet: Fleet
    network: Proxy
    seed: int
    gust: float
    lease: float
    blows: Counter[str] = field(default_factory=Counter)
    #: When (epoch seconds) which process of the fleet was killed or stopped.
    silenced: dict[int, float] = field(default_factory=dict)
    #: Members that did not end by themselves after SIGTERM, or with another status than 0.
    bad_drains: list[str] = field(default_factory=list)
    log: Callable[[str], None] = print
    #: Members that ended without a blow.
    died: list[str] = field(default_factory=list)
    _struck: set[str] = field(default_factory=set)
    _repairs: set[asyncio.Task[None]] = field(default_factory=set)

    async def rage(self, stop: asyncio.Event) -> None:
        """Blow after blow until `stop`; then everybody is up again."""
        chance = random.Random(self.seed)
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(chance.expovariate(1 / self.gust)):
                    await stop.wait()
            self._raise_the_dead()
            if not stop.is_set():
                self._strike(chance)
        await self.mend()

    async def mend(self) -> None:
        """Let everybody be up again."""
        for repair in list(self._repairs):
            await repair
        self.fleet.mend()

    def _raise_the_dead(self) -> None:
        for member in (self.fleet.server, *self.fleet.members):
            if member.pid is None and member.name not in self._struck:
                self.died.append(f"{member.name} ended by itself with {member.status}")
                member.start()

    def _strike(self, chance: random.Random) -> None:
        blow = chance.choices(list(BLOWS), list(BLOWS.values()))[0]
        verb, kind = blow.split()
        if kind == "network":
            self._tear(blow, verb, chance.uniform(0.05, 1.5 * self.lease))
            return
        whole = "process" if kind == "child" else kind
        candidates = [self.fleet.server] if kind == "server" else self.fleet.of(whole)
        member = chance.choice(candidates)
        pause = chance.uniform(0.05, 1.5 * self.lease)
        if member.pid is None or member.name in self._struck:
            return
        self.blows[blow] += 1
        self.log(f"{blow}: {member.name}, pid {member.pid}, {pause:.2f} s")
        if kind == "child":
            child = member.child()
            if child is not None:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            return
        blows = {"kill": self._kill, "stop": self._stop, "drain": self._drain}
        self._repair(blows[verb](member, pause), member.name)

    def kill_at_work(self, pids: Container[int]) -> bool:
        """Kill one of these processes, if it is up; whether one was."""
        for member in self.fleet.of("process"):
            if member.pid in pids and member.name not in self._struck:
                self.blows["kill process"] += 1
                self.log(f"kill process at work: {member.name}, pid {member.pid}")
                self._repair(self._kill(member, self.lease / 2), member.name)
                return True
        return False

    def _tear(self, blow: str, verb: str, pause: float) -> None:
        if "network" in self._struck:
            return
        self.blows[blow] += 1
        self.log(f"{blow}: {pause:.2f} s")
        self._repair(self._cut(pause) if verb == "cut" else self._choke(pause), "network")

    def _repair(self, what: Coroutine[Any, Any, None], name: str) -> None:
        self._struck.add(name)

        async def repair() -> None:
            try:
                await what
            finally:
                self._struck.discard(name)

        task = asyncio.create_task(repair())
        self._repairs.add(task)
        task.add_done_callback(self._repairs.discard)

    async def _kill(self, member: Member, pause: float) -> None:
        self._silence(member)
        member.send(signal.SIGKILL)
        await asyncio.to_thread(member.wait, 10)
        await asyncio.sleep(pause if member.kind != "server" else pause / 3)
        member.start()

    async def _stop(self, member: Member, pause: float) -> None:
        self._silence(member)
        member.send(signal.SIGSTOP)
        await asyncio.sleep(pause)
        member.send(signal.SIGCONT)

    async def _drain(self, member: Member, pause: float) -> None:
        pid, up = member.pid, member.up
        member.send(signal.SIGTERM)
        if not await asyncio.to_thread(member.wait, 40):
            self.bad_drains.append(f"{member.name} (pid {pid}) did not end within 40 s")
            member.send(signal.SIGKILL)
            await asyncio.to_thread(member.wait, 10)
        elif up and member.status != 0:
            self.bad_drains.append(f"{member.name} (pid {pid}) ended with {member.status}")
        await asyncio.sleep(pause / 3)
        member.start()

    async def _cut(self, pause: float) -> None:
        await asyncio.to_thread(self.network.cut)
        await asyncio.sleep(pause)
        await asyncio.to_thread(self.network.mend)

    async def _choke(self, pause: float) -> None:
        """What was swallowed does not come again, so the connections end as well."""
        self.network.choked = True
        await asyncio.sleep(pause)
        await self._cut(0)

    def _silence(self, member: Member) -> None:
        if member.pid is not None and member.kind == "process":
            self.silenced[member.pid] = time.time()
