"""Uploads per second of one ingest process, raw and as a form, beside Express in front of BullMQ's add.

Both sides keep the bytes and queue a job, and nobody works on the jobs meanwhile: process and results are paused. What
is left of the two cores when they do work is measured beside it.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis

from benchmarks import bullmq, report
from benchmarks.jobs import settled
from benchmarks.latency import textured_jpeg
from benchmarks.stack import Running, stack
from infra.ports import free_port
from shared.service import loop_factory

#: Requests under way at once.
CONCURRENCY = 16

_OURS, _THEIRS = "Darkroom", "Express + BullMQ"
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")


@dataclass(frozen=True)
class Request:
    """Where uploads of one kind go, and what makes the bytes of one from those of a picture."""

    port: int
    make: Callable[[bytes], bytes]


@dataclass
class Uploads:
    """The picture that is sent, how often in a round, and the rates by side so far."""

    picture: bytes
    number: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    costs: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def send(self, sides: dict[str, Request], round_number: int, cpu: Callable[[], dict[str, float]]) -> None:
        """One round for each side; no two pictures of a round or of two rounds are the same."""
        for name, request in sides.items():
            before, own = cpu(), time.process_time()
            rate = _run(_rate(request, self.picture + round_number.to_bytes(4, "big"), self.number))
            used = {"client": time.process_time() - own, **{part: now - before[part] for part, now in cpu().items()}}
            self.rates.setdefault(name, []).append(rate)
            self.costs.setdefault(name, []).append({part: spent / self.number * 1e6 for part, spent in used.items()})


def main() -> None:
    parser = report.arguments("http", "Uploads of a 20 KB picture to one process.", rounds=5)
    parser.add_argument("--uploads", type=int, default=2000)
    options = parser.parse_args()
    uploads = Uploads(textured_jpeg(372, 280, quality=80), options.uploads)
    with stack("ingest", "process", "results", workers=1) as running, ExitStack() as exits:
        ours = running.http["ingest"]
        accepting = {"Darkroom, raw": raw(ours, "/v1/images"), "Darkroom, form": _form(ours, "/v1/images")}
        working = {f"{name}, while the jobs are worked on": request for name, request in accepting.items()}
        peer = {}
        if bullmq.install() is not None:
            url = exits.enter_context(bullmq.express(free_port("127.0.0.1")))
            peer = {"Express + BullMQ, raw": raw(url, "/raw"), "Express + BullMQ, form": _form(url, "/form")}
        for number in range(options.rounds):
            with running.paused("process", "results"):
                uploads.send(accepting | peer, 2 * number, running.cpu)
            asyncio.run(_all_done(running, (2 * number + 1) * len(accepting) * options.uploads))
            uploads.send(working, 2 * number + 1, running.cpu)
            asyncio.run(_all_done(running, (2 * number + 2) * len(accepting) * options.uploads))
    report.tell("http", describe(uploads), options.write)


def describe(uploads: Uploads) -> list[str]:
    rows = []
    for name, rates in uploads.rates.items():
        rows.append([name, f"{report.median(rates):,.0f}", ""])
        for part in uploads.costs[name][0]:
            cost = report.median(costs[part] for costs in uploads.costs[name])
            # Of a peer, which runs elsewhere, the client alone.
            if cost >= 1:
                rows.append([f"· {part}", "", f"{cost:.0f}"])
    for kind in ("raw", "form"):
        if f"{_THEIRS}, {kind}" in uploads.rates:
            ours, theirs = (
                report.median(uploads.rates[f"{side}, {kind}"]) for side in ("Darkroom", "Express + BullMQ")
            )
            rows.append([f"Darkroom / Express, {kind}", f"{ours / theirs:.2f}", ""])
    return [
        report.conditions("fastapi", "uvicorn", "python-multipart", "redis"),
        f"{uploads.number:,} uploads of {len(uploads.picture) + 12:,} bytes, {CONCURRENCY} at once; rounds in turns.",
        "",
        *report.table(["uploads accepted", "per second", "µs CPU per upload"], rows),
    ]


def _run(sending: Coroutine[Any, Any, float]) -> float:
    """On the quicker loop: the client takes the cores that both sides need."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(sending)


async def _all_done(running: Running, jobs: int) -> None:
    """Wait until so many jobs in all have ended; identity jobs tell of nothing but their end."""
    async with Redis.from_url(running.redis_url) as redis:
        while await settled(redis) < jobs:  # noqa: ASYNC110 - the server has no event for this
            await asyncio.sleep(0.05)


async def _rate(request: Request, picture: bytes, uploads: int) -> float:
    """Uploads per second."""
    start = time.perf_counter()
    await send(request, (picture + number.to_bytes(8, "big") for number in range(uploads)), CONCURRENCY)
    return uploads / (time.perf_counter() - start)


async def send(request: Request, pictures: Iterable[bytes], concurrency: int) -> None:
    """Upload over kept connections; the client writes bare HTTP/1.1 so that the server is what is slow."""
    left = iter(pictures)

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
        for picture in left:
            writer.write(request.make(picture))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 202 " not in head.split(b"\r\n", 1)[0]:
                raise SystemExit(f"refused: {head.decode()}")
            await reader.readexactly(int(_LENGTH.search(head)[1]))  # type: ignore[index] # both servers send a length
        writer.close()
        await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())


def raw(url: str, path: str) -> Request:
    """A picture as the whole body."""

    def make(picture: bytes) -> bytes:
        return _head(path, "image/jpeg", len(picture)) + picture

    return Request(urlsplit(url).port or 80, make)


def _form(url: str, path: str) -> Request:
    before = (
        b'--edge\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\ncontent-type: image/jpeg\r\n\r\n'
    )
    after = b"\r\n--edge--\r\n"

    def make(picture: bytes) -> bytes:
        size = len(before) + len(picture) + len(after)
        return _head(path, "multipart/form-data; boundary=edge", size) + before + picture + after

    return Request(urlsplit(url).port or 80, make)


def _head(path: str, media_type: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


if __name__ == "__main__":
    main()
