"""Real pictures through the whole pipeline, against two bare processes that decode, filter and encode."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
from redis.asyncio import Redis

from benchmarks import report
from benchmarks.http import raw, send
from benchmarks.jobs import check_done, done, settled
from benchmarks.latency import textured_jpeg
from benchmarks.stack import Running, stack
from services.process import pipeline
from services.process.filters import read_chain
from services.process.header import read_header
from services.process.request import Request
from services.process.worker import ENVIRONMENT
from shared import events, keys
from shared.blobs import BlobStore
from shared.events import FilterSpec, ImageUploaded

WORKERS = 2
CHAIN: list[FilterSpec] = [{"name": "sepia"}]


@dataclass(frozen=True)
class Round:
    """One measured run: images per second and CPU milliseconds per image, by process."""

    rate: float
    cpu: dict[str, float]


def main() -> None:
    parser = report.arguments("images", "1 MP JPEG, sepia: stream, HTTP, and the bare engine.", rounds=3)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--photo", type=Path, help="JPEG to develop; default: a made one of 1 MP")
    options = parser.parse_args()
    photo = options.photo.read_bytes() if options.photo else textured_jpeg(1152, 868)
    sides: dict[str, list[Round]] = {"bare": [], "stream": [], "http": []}
    with stack("ingest", "process", "results", workers=WORKERS) as running:
        for _ in range(options.rounds):
            sides["bare"].append(bare(photo, options.images))
            sides["stream"].append(asyncio.run(by_stream(running, _pictures(photo, options.images))))
            sides["http"].append(asyncio.run(by_http(running, _pictures(photo, options.images))))
    report.tell("images", describe(sides, options.images), options.write)


def describe(sides: dict[str, list[Round]], images: int) -> list[str]:
    floor = report.median(one.rate for one in sides["bare"])
    names = {"bare": f"{WORKERS} bare processes", "stream": "published on the stream", "http": "uploaded over HTTP"}
    rows = []
    for side, rounds in sides.items():
        rate = report.median(one.rate for one in rounds)
        costs = {name: report.median(one.cpu[name] for one in rounds) for name in rounds[0].cpu}
        rows.append([names[side], f"{rate:.1f}", f"{rate / floor:.2f}", f"{sum(costs.values()):.2f}"])
        rows += [[f"· {name}", "", "", f"{cost:.2f}"] for name, cost in costs.items() if cost >= 0.01]
    return [
        report.conditions("opencv-python-headless", "numba", "simplejpeg", "faststream", "redis"),
        f"{images} pictures of 1 MP, sepia, JPEG quality 90; {len(sides['bare'])} rounds, interleaved.",
        "",
        *report.table(["JPEG → sepia → JPEG", "images/s", "of the bare rate", "ms CPU per image"], rows),
    ]


def _pictures(photo: bytes, number: int) -> list[bytes]:
    """The photo with other bytes behind its end each time, so no result is stored and each job tells two events."""
    return [photo + os.urandom(8) for _ in range(number)]


def bare(photo: bytes, images: int) -> Round:
    """Processes that only decode, filter and encode what they have: our engine with our settings of malloc."""
    os.environ.update(ENVIRONMENT)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context, initializer=_have, initargs=(photo,)) as pool:
        list(pool.map(_develop, range(4 * WORKERS)))
        start = time.perf_counter()
        used = list(pool.map(_develop, range(images), chunksize=4))
        rate = images / (time.perf_counter() - start)
    return Round(rate, {"bare": sum(used) / len(used) * 1000})


#: The photo of a bare process.
_photo = b""


def _have(photo: bytes) -> None:
    global _photo  # noqa: PLW0603 - of a process that has this one task
    _photo = photo
    cv2.setNumThreads(1)


def _develop(_number: int) -> float:
    """CPU seconds that one image took."""
    start = time.process_time()
    picture = _photo
    request = Request(job_id="0-bare", source="inbox/picture", owner="local", filters=CHAIN)
    work = pipeline.Development(request, BlobStore("memory://"))
    work.data, work.header, work.chain = memoryview(picture), read_header(memoryview(picture)), read_chain(CHAIN)
    for step in (pipeline.decode, pipeline.filters, pipeline.encode):
        step(work)
    return time.process_time() - start


async def by_stream(running: Running, pictures: Sequence[bytes]) -> Round:
    """From the first XADD to the last recorded result; the pictures are in the store before."""
    store = BlobStore(running.blob_url)
    names = []
    for picture in pictures:
        names.append(f"inbox/{os.urandom(8).hex()}")
        store.put(names[-1], picture)
    async with Redis.from_url(running.redis_url) as redis:
        goal, wanted = await settled(redis) + 2 * len(pictures), await done(redis) + len(pictures)
        before, start = running.cpu(), time.perf_counter()
        pipeline = redis.pipeline(transaction=False)
        for name in names:
            pipeline.xadd(keys.uploaded(0), {"data": events.encode(ImageUploaded(source=name, filters=CHAIN))})
        await pipeline.execute()
        await _until(redis, goal)
        measured = _round(running, before, start, len(pictures))
        await check_done(redis, wanted)
        return measured


async def by_http(running: Running, pictures: list[bytes], concurrency: int = 8) -> Round:
    """From the first upload to the last recorded result."""
    async with Redis.from_url(running.redis_url) as redis:
        goal, wanted = await settled(redis) + 2 * len(pictures), await done(redis) + len(pictures)
        before, start = running.cpu(), time.perf_counter()
        await send(raw(running.http["ingest"], "/v1/images?filters=sepia"), pictures, concurrency)
        await _until(redis, goal)
        measured = _round(running, before, start, len(pictures))
        await check_done(redis, wanted)
        return measured


def _round(running: Running, before: dict[str, float], start: float, images: int) -> Round:
    rate = images / (time.perf_counter() - start)
    return Round(rate, {name: (used - before[name]) / images * 1000 for name, used in running.cpu().items()})


async def _until(redis: Redis, goal: int) -> None:
    while await settled(redis) < goal:  # noqa: ASYNC110 - the server has no event for this
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    main()
