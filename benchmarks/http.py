"""Uploads per second of one ingest process, raw and as a form, beside Express in front of BullMQ."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks import bullmq, report
from benchmarks.latency import textured_jpeg
from benchmarks.stack import stack
from infra.ports import free_port

#: Requests under way at once.
CONCURRENCY = 16

_LENGTH = re.compile(rb"(?i)content-length: (\d+)")


@dataclass(frozen=True)
class Request:
    """Where uploads of one kind go, and what makes the bytes of one from those of a picture."""

    port: int
    make: Callable[[bytes], bytes]


def main() -> None:
    parser = report.arguments("http", "Uploads of a 20 KB picture to one process.", rounds=5)
    parser.add_argument("--uploads", type=int, default=2000)
    options = parser.parse_args()
    picture = textured_jpeg(192, 144, quality=80)
    rates: dict[str, list[float]] = {}
    with stack("ingest", "process", "results", workers=1) as running:
        sides = {
            "Darkroom, raw": _raw(running.http["ingest"], "/v1/images"),
            "Darkroom, form": _form(running.http["ingest"], "/v1/images"),
        }
        if bullmq.install() is None:
            _measure(sides, picture, options.uploads, options.rounds, rates)
        else:
            with bullmq.express(free_port("127.0.0.1")) as url:
                sides |= {"Express + BullMQ, raw": _raw(url, "/raw"), "Express + BullMQ, form": _form(url, "/form")}
                _measure(sides, picture, options.uploads, options.rounds, rates)
    report.tell("http", describe(rates, len(picture), options.uploads), options.write)


def describe(rates: dict[str, list[float]], size: int, uploads: int) -> list[str]:
    rows = [[name, f"{report.median(values):,.0f}"] for name, values in rates.items()]
    for kind in ("raw", "form"):
        if f"Express + BullMQ, {kind}" in rates:
            ratio = report.median(rates[f"Darkroom, {kind}"]) / report.median(rates[f"Express + BullMQ, {kind}"])
            rows.append([f"Darkroom / Express, {kind}", f"{ratio:.2f}"])
    return [
        report.conditions("fastapi", "uvicorn", "python-multipart", "redis"),
        f"{uploads:,} uploads of {size:,} bytes, {CONCURRENCY} at once, rounds interleaved.",
        "",
        *report.table(["uploads accepted", "per second"], rows),
    ]


def _measure(
    sides: dict[str, Request], picture: bytes, uploads: int, rounds: int, rates: dict[str, list[float]]
) -> None:
    for number in range(rounds):
        for name, request in sides.items():
            rate = asyncio.run(_rate(request, picture + number.to_bytes(4, "big"), uploads))
            rates.setdefault(name, []).append(rate)


async def _rate(request: Request, picture: bytes, uploads: int) -> float:
    """Uploads per second over kept connections; the client writes bare HTTP/1.1 so that the server is what is slow."""
    left = iter(range(uploads))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
        for number in left:
            writer.write(request.make(picture + number.to_bytes(8, "big")))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 202 " not in head.split(b"\r\n", 1)[0]:
                raise SystemExit(f"refused: {head.decode()}")
            await reader.readexactly(int(_LENGTH.search(head)[1]))  # type: ignore[index] # both servers send a length
        writer.close()
        await writer.wait_closed()

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(worker())
    return uploads / (time.perf_counter() - start)


def _raw(url: str, path: str) -> Request:
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
