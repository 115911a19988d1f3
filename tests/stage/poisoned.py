"""`python -m tests.stage.poisoned URL`: a stage in a process that one entry kills, each time it is worked on."""

import asyncio
import os
import signal
import sys

from redis.asyncio import Redis

from shared import keys
from shared.entries import Source
from shared.lanes import Batch, SteadyDoor
from shared.settings import Settings
from shared.stage import Outcome, Stage
from tests.stage.conftest import LEASE, UPLOADS, obituary

POISON = b"poison"
ATTEMPTS = 3


async def main(url: str) -> None:
    settings = Settings(redis_url=url, lease=LEASE, max_attempts=ATTEMPTS)
    redis = Redis.from_url(url)

    async def handler(source: Source, batch: Batch) -> None:
        # Long enough that neighbours are in work when the poison strikes.
        await asyncio.sleep(0.05)
        if any(entry.fields[b"data"] == POISON for entry in batch):
            os.kill(os.getpid(), signal.SIGKILL)
        await stage.settle(source, [Outcome(entry, b"{}") for entry in batch], output=keys.progress(0))

    stage = Stage(settings, redis, [UPLOADS], handler, door=SteadyDoor(4), lanes=3, obituary=obituary)
    await stage.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
