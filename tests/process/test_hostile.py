"""Whatever comes in, each file ends in a result or a typed error, within its limits, and the pool goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.process.pool import Pool
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from shared.blobs import BlobStore
from shared.errors import TimedOut, WorkerCrashed
from shared.events import Output
from tests.process.hostile import corpus

#: How a hostile file may end, beside in a picture.
ALLOWED = {"unsupported_media", "corrupt_image", "too_many_pixels", "too_many_frames"}
LIMITS = {"max_pixels": 4_000_000, "max_frames": 100, "memory_limit": 256, "time_limit": 20}
REGRESSIONS = Path(__file__).parent / "regressions"


@pytest.fixture
async def pool(store: BlobStore) -> AsyncIterator[Pool]:
    opened = Pool(ProcessSettings(blob_url=store.url, workers=2, **LIMITS))
    await opened.start()
    yield opened
    await opened.close(0)


@pytest.mark.parametrize("frames", ["first", "all"])
async def test_no_hostile_file_costs_more_than_itself(frames: str, pool: Pool, store: BlobStore) -> None:
    pids, before = pool.pids, pool.resident
    files = [*corpus(), *((path.name, path.read_bytes()) for path in sorted(REGRESSIONS.iterdir()))]

    async def end(number: int, name: str, data: bytes) -> tuple[str, str]:
        key = f"inbox/{number}"
        store.put(key, data)
        request = Request(
            job_id=f"0-{number}",
            source=key,
            owner="local",
            filters=[{"name": "sepia"}, {"name": "resize", "width": 32}],
            output=Output(frames=frames),
            limits=pool.settings.limits,
        )
        try:
            report: Report = await pool.develop(request)
        except (TimedOut, WorkerCrashed) as error:
            return name, error.code
        return name, report.error.code if report.error else "done"

    ends = await asyncio.gather(*(end(number, *file) for number, file in enumerate(files)))
    unexpected = [(name, code) for name, code in ends if code not in {*ALLOWED, "done"}]
    assert not unexpected
    assert pool.pids == pids, "a child was lost"
    assert pool.resident - before < LIMITS["memory_limit"] * 2**20
    assert {code for _, code in ends} >= ALLOWED - ({"too_many_frames"} if frames == "first" else set())
