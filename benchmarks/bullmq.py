"""The recipe that Darkroom replaces, run beside it: BullMQ on a Valkey of its own, and Express in front of it.

Its packages are installed with npm into `.cache/peers/bullmq` on first use; without npm there is no peer.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.stack import blob_folder, cpu_seconds, server

SOURCE: Final = Path(__file__).parent / "peers" / "bullmq"
CACHE: Final = Path(__file__).parents[1] / ".cache" / "peers" / "bullmq"
#: The settings that were fastest of those tried: jobs of one addBulk, and the worker's concurrency.
BULK: Final = 500
CONCURRENCY: Final = 200


@dataclass(frozen=True)
class Measured:
    """Jobs per second, and CPU µs per job of all processes together."""

    rate: float
    cpu: float


def install() -> Path | None:
    """Make the peer runnable; none where npm or node is missing."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted, installed = SOURCE / "package.json", CACHE / "package.json"
    stale = not installed.exists() or installed.read_bytes() != wanted.read_bytes()
    for file in SOURCE.iterdir():
        shutil.copy2(file, CACHE)
    if stale or not (CACHE / "node_modules").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
        subprocess.run(command, cwd=CACHE, check=True)
    return CACHE


def jobs(count: int) -> Measured:
    """From the first add to the last completion, one worker process, one adding process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder)) as (url, redis),
        _node("worker.mjs", url, str(CONCURRENCY)) as worker,
    ):
        command = ["node", "add.mjs", url, str(count), str(BULK)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=CACHE, stdin=pipe, stdout=pipe, text=True) as adding:
            if adding.stdin is None or adding.stdout is None or adding.stdout.readline().strip() != "warm":
                raise SystemExit("add.mjs did not start")
            before = cpu_seconds(worker) + cpu_seconds(redis)
            answer, _ = adding.communicate("\n")
        used = cpu_seconds(worker) + cpu_seconds(redis) - before
    told = json.loads(answer)
    return Measured(count / told["seconds"], (used + told["cpu"]) / count * 1e6)


@contextmanager
def express(port: int) -> Iterator[str]:
    """Express in front of BullMQ's queue; yields its address."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder)) as (url, _),
        blob_folder() as uploads,
        _node("express.mjs", url, str(port), str(uploads)),
    ):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _node(*command: str) -> Iterator[psutil.Process]:
    process = subprocess.Popen(["node", *command], cwd=CACHE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{command[0]} did not start")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()
