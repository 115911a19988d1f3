"""The pool's sections of benchmarks/engine.py: how children scale, and what they hold."""

import asyncio
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import cv2

from benchmarks.engine_cases import EIGHT, MANY
from benchmarks.engine_side import Side
from services.process.pool import Pool
from services.process.request import Request
from services.process.settings import ProcessSettings
from shared.blobs import BlobStore


def scaling(photos: dict[str, Path], rounds: int) -> list[str]:
    """Two children against one, and two bare processes against one; the best of the rounds, for this is wall time."""
    pooled, parent = asyncio.run(_pooled(photos["1 MP"].read_bytes(), rounds))
    bare = _bare(photos["1 MP"], rounds)
    return [
        f"Two children against one: {_against(pooled)} (at least 1.9).",
        f"Two bare processes against one, the same jobs: {_against(bare)}.",
        f"The process that hands out jobs takes {parent:.2f} ms of CPU for each.",
    ]


def _against(rates: dict[int, float]) -> str:
    return f"{rates[2]:.0f} against {rates[1]:.0f} images/s, {rates[2] / rates[1]:.2f} times"


async def _pooled(photo: bytes, rounds: int) -> tuple[dict[int, float], float]:
    """Images/s by number of children, and ms of CPU per image in the process that hands them out."""
    rates: dict[int, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(f"file://{folder}")
        store.put("inbox/photo", photo)
        pools = {size: Pool(ProcessSettings(blob_url=store.url, workers=size)) for size in (1, 2)}
        for pool in pools.values():
            await pool.start()
        used = time.process_time()
        for number in range(rounds):
            for size, pool in pools.items():
                owners = [f"o{size}-{number}-{n}" for n in range(MANY)]
                start = time.perf_counter()
                await asyncio.gather(*(pool.develop(_job(owner)) for owner in owners))
                rates[size] = max(rates[size], MANY / (time.perf_counter() - start))
        used = time.process_time() - used
        for pool in pools.values():
            await pool.close(0)
    return rates, used * 1e3 / (2 * rounds * MANY)


def _bare(photo: Path, rounds: int) -> dict[int, float]:
    """Images/s by number of processes that get nothing handed out."""
    rates: dict[int, float] = defaultdict(float)
    sides = [Side(tuned=True) for _ in range(2)]
    for side in sides:
        side.run("ours", str(photo), "many", "sepia")
    for _ in range(rounds):
        for count in (1, 2):
            start = time.perf_counter()
            for side in sides[:count]:
                side.ask("ours", str(photo), "many", "sepia")
            for side in sides[:count]:
                side.answer()
            rates[count] = max(rates[count], count * MANY / (time.perf_counter() - start))
    for side in sides:
        side.close()
    return rates


def growth(photos: dict[str, Path], _: int) -> list[str]:
    """What a child holds after its largest image, and after 2,000 more."""
    image = cv2.imread(str(photos["1 MP"]))
    kinds = [(extension, side) for extension in (".jpg", ".png", ".webp") for side in (200, 500, 900)]
    files = [cv2.imencode(extension, cv2.resize(image, (side, side)))[1].tobytes() for extension, side in kinds]
    largest, end = asyncio.run(_growth(photos["12 MP"].read_bytes(), files, 2000))
    return [f"Resident memory of a child: {largest:.0f} MiB after the largest image, {end:.0f} MiB after 2,000 more."]


async def _growth(photo: bytes, files: list[bytes], count: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(f"file://{folder}")
        for number, data in enumerate(files):
            store.put(f"inbox/{number}", data)
        store.put("inbox/photo", photo)
        pool = Pool(ProcessSettings(blob_url=store.url, workers=1, recycle_growth=4096))
        await pool.start()
        for name in EIGHT:
            await pool.develop(_job("o", name))
        largest = pool.resident
        for number in range(count):
            await pool.develop(_job(f"o{number}", EIGHT[number % 8], f"inbox/{number % len(files)}"))
        end = pool.resident
        await pool.close(0)
    return largest / 2**20, end / 2**20


def _job(owner: str, name: str = "sepia", source: str = "inbox/photo") -> Request:
    return Request(job_id="0-a", source=source, owner=owner, filters=[{"name": name}])
