"""A storm over the real product: kill, stop, drain and restart at random while jobs come in, then count everything.

`./darkroom chaos --minutes 30` runs it by hand; it prints its seed, with which the blows fall in the same order again.
"""

import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer

from clients.display import write_lines
from shared.connections import connect
from tests.chaos import fleet as fleets
from tests.chaos.audit import Seen, Verdict, audit, settled
from tests.chaos.ledger import Ledger
from tests.chaos.senders import Senders
from tests.chaos.storm import Storm
from tests.chaos.takeovers import at_work, takeovers
from tests.support.proxy import Proxy
from tests.support.receiver import Receiver
from tests.support.waiting import eventually

#: Seconds after the start of a job without an end between which its process is likely met at work.
_AT_WORK: Final = (0.1, 1.0)


@dataclass(frozen=True)
class Plan:
    """How long the storm lasts (seconds) and how hard it blows; `server` is a binary, empty for the embedded Valkey."""

    folder: Path
    seed: int
    seconds: float
    jobs: int = 1_000_000
    server: str = ""
    lease: float = 2.0
    gust: float = 1.2
    process: int = 3
    pause: float = 0.05
    #: Seconds in which jobs still come after it, at most, until something was taken over and somebody cancelled.
    longer: float = 0.0
    #: Seconds that everything may take to settle after the storm.
    patience: float = 90.0


@dataclass
class Report:
    """The figures of one storm."""

    plan: Plan
    verdict: Verdict
    ledger: Ledger
    blows: Counter[str]
    starts: int
    bad_ends: list[str]
    calm_after: float
    tracebacks: list[str] = field(default_factory=list)
    #: What the receiver of webhooks took, by type.
    told: Counter[str] = field(default_factory=Counter)

    def table(self) -> str:
        """Rows for docs/reliability.md."""
        blows, verdict = self.blows, self.verdict
        kinds: Counter[str] = Counter()
        for blow, count in blows.items():
            kinds[blow.split()[0]] += count
        rows = [
            ("seed, minutes", f"{self.plan.seed}, {self.plan.seconds / 60:.1f}"),
            ("jobs accepted", verdict.jobs),
            ("of them asked to cancel, run again", f"{verdict.doubted}, {verdict.again}"),
            ("batches told by webhook", len(self.ledger.batches)),
            ("kill -9 (of them the server)", f"{kinds['kill']} ({blows['kill server']})"),
            ("stopped and continued (of them the server)", f"{kinds['stop']} ({blows['stop server']})"),
            ("drained and restarted", kinds["drain"]),
            ("network cut or choked", kinds["cut"] + kinds["choke"]),
            ("process starts", self.starts),
            ("lost", len(verdict.lost)),
            ("doubled", len(verdict.doubled)),
            ("anything else that must not be", len(verdict.wrong)),
            ("requests that clients had to repeat", self.ledger.retried),
            ("takeovers; longest, median in s", _figures([one.waited for one in verdict.takeovers])),
            (
                "of them beside others that went on, after the lease",
                _figures([one.steady for one in verdict.takeovers]),
            ),
            ("most attempts of one job", max(verdict.attempts, default=0)),
            ("seconds until all was settled after the storm", f"{self.calm_after:.1f}"),
        ]
        return "\n".join(f"| {name} | {value} |" for name, value in rows)

    @property
    def complaints(self) -> list[str]:
        return [*self.verdict.lost, *self.verdict.doubled, *self.verdict.wrong, *self.bad_ends, *self.tracebacks]


async def run(plan: Plan, log: Callable[[str], None] = print) -> Report:
    """One storm from start to verdict; the fleet is gone at the end."""
    log(f"seed {plan.seed}")
    fleet = fleets.build(plan.folder, plan.server, process=plan.process, ingest=2, results=2, lease=plan.lease)
    network = Proxy(fleet.port)
    fleet.lead_through(network.port)
    with network.running(), Receiver().running() as receiver:
        return await _rage(plan, fleet, network, receiver, log)


async def _rage(
    plan: Plan, fleet: fleets.Fleet, network: Proxy, receiver: Receiver, log: Callable[[str], None]
) -> Report:
    ledger, seen, stop = Ledger(), Seen(), asyncio.Event()
    storm = Storm(fleet, network, plan.seed, plan.gust, plan.lease, log=log)
    senders = Senders(fleet, ledger, seed=plan.seed, limit=plan.jobs, pause=plan.pause, webhook=receiver.url)
    started = time.monotonic()
    try:
        fleet.start()
        await _all_up(fleet)
        reading = asyncio.create_task(seen.read_along(fleet.redis_url))
        sending = asyncio.create_task(senders.run(http=4, stream=2))
        raging = asyncio.create_task(storm.rage(stop))
        await asyncio.wait({sending}, timeout=plan.seconds)
        stop.set()
        await raging
        if plan.longer:
            await _all_up(fleet)
            await _until_all_was_met(seen, storm, ledger, plan.longer)
        senders.stop.set()
        await _come_home(sending, plan.patience)
        began = time.monotonic()
        log(f"the storm is over after {len(ledger.promises)} jobs; waiting for all to settle")
        await _settle(fleet, ledger, plan.patience)
        calm_after = time.monotonic() - began
        # Others may have settled everything while the last one that was restarted is still loading.
        await _all_up(fleet)
        await _end(reading)
        verdict = await audit(fleet, ledger, seen, storm, receiver.taken, seconds=time.monotonic() - started)
    finally:
        fleet.end()
    starts = sum(member.starts for member in (fleet.server, *fleet.members))
    tracebacks = [line for member in fleet.members for line in _tracebacks(member.log)]
    bad_ends, told = [*storm.bad_drains, *storm.died], Counter(event["type"] for event in receiver.taken)
    return Report(plan, verdict, ledger, storm.blows, starts, bad_ends, calm_after, tracebacks, told)


async def _until_all_was_met(seen: Seen, storm: Storm, ledger: Ledger, seconds: float) -> None:
    """Wait for what chance did not bring, and help it: in the calm, a process is killed while it is at work."""
    struck = float("-inf")

    def all_was_met() -> bool:
        nonlocal struck
        taken = takeovers(seen.events, storm.silenced, lease=storm.lease)
        now = time.time()
        # What was left by one that was struck needs a lease, and the taker a moment.
        if not taken and now - struck > 1.5 * storm.lease:
            pids = at_work(seen.events, since=now - _AT_WORK[1], until=now - _AT_WORK[0])
            struck = now if storm.kill_at_work(pids) else struck
        return bool(taken) and any(promise.expected == {"cancelled"} for promise in ledger.promises)

    # Who needs it asks the report.
    with suppress(AssertionError):
        await eventually(all_was_met, timeout=seconds)
    await storm.mend()


async def _all_up(fleet: fleets.Fleet) -> None:
    await eventually(lambda: all(member.up for member in (fleet.server, *fleet.members)), timeout=120)


async def _come_home(sending: asyncio.Task[None], patience: float) -> None:
    """Wait for the clients, whose services are up again; who is still under way then says so in the ledger."""
    await asyncio.wait({sending}, timeout=patience)
    if not sending.done():
        sending.cancel()
        await asyncio.wait({sending})
    if not sending.cancelled():
        await sending


async def _end(reading: asyncio.Task[None]) -> None:
    while not reading.done():
        # redis-py can swallow a cancellation.
        reading.cancel()
        await asyncio.wait({reading}, timeout=1)


async def _settle(fleet: fleets.Fleet, ledger: Ledger, patience: float) -> None:
    async with connect(fleet.redis_url) as redis:

        async def all_settled() -> bool:
            return await settled(redis, ledger)

        try:
            await eventually(all_settled, timeout=patience)
        except AssertionError:
            # The audit says what is missing.
            return


def _tracebacks(log: Path) -> list[str]:
    """Lines that tell of an exception nobody expected."""
    lines = log.read_text(errors="replace").splitlines()
    return [f"{log.stem}: {line[:600]}" for line in lines if '"exception"' in line or "Traceback" in line]


def _figures(values: list[float]) -> str:
    return f"{len(values)}; {max(values):.1f}, {sorted(values)[len(values) // 2]:.1f}" if values else "none"


def main(
    minutes: Annotated[float, typer.Option(help="How long the storm lasts.")] = 30.0,
    seed: Annotated[int, typer.Option(help="0 chooses one.")] = 0,
    server: Annotated[str, typer.Option(help="'redis' for the system's Redis; else the embedded Valkey.")] = "valkey",
    lease: Annotated[float, typer.Option(help="Seconds of a lease.")] = 2.0,
    gust: Annotated[float, typer.Option(help="Mean seconds between two blows.")] = 1.2,
    keep: Annotated[bool, typer.Option(help="Keep the folder with all logs.")] = False,
) -> None:
    """Kill, stop, drain and restart at random under load; then every job must be accounted for."""
    binary = (shutil.which("redis-server") or "") if server == "redis" else ""
    folder = Path(tempfile.mkdtemp(prefix="darkroom-chaos-"))
    plan = Plan(folder, seed or random.randrange(1, 2**31), minutes * 60, server=binary, lease=lease, gust=gust)
    report = asyncio.run(run(plan))
    write_lines(["", "| figure | value |", "|---|---|", report.table(), "", *report.complaints])
    if keep or report.complaints:
        write_lines([f"Logs are in {folder}."])
    else:
        shutil.rmtree(folder)
    sys.exit(1 if report.complaints else 0)


if __name__ == "__main__":
    typer.run(main)
