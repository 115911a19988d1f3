"""How long one image takes on an idle stack: identity jobs to a waiting client, and a 1 MP picture over HTTP."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import httpx
import numpy as np
from redis.asyncio import Redis

from benchmarks import report
from benchmarks.jobs import one_submission
from benchmarks.stack import Running, stack
from shared import keys
from shared.submission import Submitter


def main() -> None:
    parser = report.arguments("latency", "Latency of single jobs on an idle stack.", rounds=1)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--photo", type=Path, help="JPEG to send; default: a made one of 1 MP")
    options = parser.parse_args()
    photo = options.photo.read_bytes() if options.photo else textured_jpeg(1152, 868)
    with stack("ingest", "process", "results", workers=2) as running:
        identity = asyncio.run(identity_latency(running, options.images))
        upload = asyncio.run(upload_latency(running, photo, options.images))
    rows = [
        _row("identity job, add → seen by a waiting client", identity),
        _row("1 MP upload → result, HTTP and SSE", upload),
    ]
    lines = [
        report.conditions("faststream", "redis", "fastapi", "uvicorn"),
        "",
        *report.table(["one at a time", "p50, ms", "p99, ms"], rows),
    ]
    report.tell("latency", lines, options.write)


async def identity_latency(running: Running, count: int) -> list[float]:
    """Seconds from the call of the submitting script to the projection's notification."""
    latencies: list[float] = []
    async with Redis.from_url(running.redis_url) as redis, redis.pubsub() as changes:
        await changes.subscribe(keys.changes(0))
        submitter = Submitter(redis)
        for _ in range(count):
            start = time.perf_counter()
            submission = one_submission(1)
            await submitter.submit(submission)
            job_id = f'"job":"{submission.jobs[0].job_id}"'.encode()
            async for message in changes.listen():
                if message["type"] == "message" and job_id in message["data"] and b'"state":"done"' in message["data"]:
                    break
            latencies.append(time.perf_counter() - start)
    return latencies


async def upload_latency(running: Running, photo: bytes, count: int) -> list[float]:
    """Seconds from the upload to the last byte of the result, events awaited over SSE. Each picture is another one."""
    latencies: list[float] = []
    ingest, results = running.http["ingest"], running.http["results"]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for number in range(count):
            # A comment behind the end of the picture gives it another content hash.
            body = photo + number.to_bytes(8, "big")
            start = time.perf_counter()
            answer = await client.post(
                f"{ingest}/v1/images?filters=sepia", content=body, headers={"content-type": "image/jpeg"}
            )
            links = answer.raise_for_status().json()["jobs"][0]["links"]
            async with client.stream("GET", results + links["events"]) as events:
                async for line in events.aiter_lines():
                    if line.startswith("data:") and '"state":"done"' in line:
                        break
            (await client.get(results + links["result"])).raise_for_status()
            latencies.append(time.perf_counter() - start)
    return latencies


def textured_jpeg(width: int, height: int, *, quality: int = 90) -> bytes:
    """A JPEG with the detail of a photo: smoothed noise over a gradient, always the same."""
    random = np.random.default_rng(1)
    noise = cv2.GaussianBlur(random.integers(0, 256, (height, width, 3), dtype=np.uint8), (5, 5), 0)
    ramp = np.linspace(0, 120, width, dtype=np.float32)[None, :, None]
    pixels = np.clip(noise * 0.6 + ramp, 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def _row(name: str, latencies: Sequence[float]) -> list[str]:
    milliseconds = [latency * 1000 for latency in latencies]
    return [name, f"{report.percentile(milliseconds, 0.5):.2f}", f"{report.percentile(milliseconds, 0.99):.2f}"]


if __name__ == "__main__":
    main()
