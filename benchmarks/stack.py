"""The services as separate processes on a server of their own, and what each of them costs in CPU."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from infra.ports import free_port
from infra.server import allocator, valkey_binary

#: The configuration that the product gives its server: append-only file, synced every second.
_CONFIG = Path(__file__).parents[1] / "infra" / "redis" / "redis.conf"
#: Services run with the log level that a busy production has; one line per job is measured too with `info`.
LOG_LEVEL = "warning"
_ENVIRONMENT = {"DARKROOM_LOG_LEVEL": LOG_LEVEL, "DARKROOM_LOG_FORMAT": "json"}

#: A file system in memory (Linux), and the bytes that must be free on it: twice what the longest benchmark keeps.
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30


@dataclass(frozen=True)
class Running:
    """A measured stack: addresses, and the processes by name."""

    redis_url: str
    blob_url: str
    http: Mapping[str, str]
    processes: Mapping[str, psutil.Process]

    def cpu(self) -> dict[str, float]:
        """CPU seconds that each process has used so far, and those of all its children under `NAME's children`."""
        used: dict[str, float] = {}
        for name, process in self.processes.items():
            own = process.cpu_times()
            used[name] = own.user + own.system
            used[f"{name}'s children"] = cpu_seconds(process) - used[name]
        return used

    @contextmanager
    def paused(self, *services: str) -> Iterator[None]:
        """These services take no CPU for as long as this lasts."""
        for service in services:
            self.processes[service].suspend()
        try:
            yield
        finally:
            for service in services:
                self.processes[service].resume()


@contextmanager
def stack(*services: str, **settings: str | int | float) -> Iterator[Running]:
    """Valkey (AOF everysec) and the named services, ready; `settings` are DARKROOM_* values in small letters."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-bench-")))
        redis_url, redis = exits.enter_context(server(folder))
        blob_url = exits.enter_context(blob_folder()).as_uri()
        environment = {
            **os.environ,
            **_ENVIRONMENT,
            "DARKROOM_REDIS_URL": redis_url,
            "DARKROOM_BLOB_URL": blob_url,
            **{f"DARKROOM_{name.upper()}": str(value) for name, value in settings.items()},
        }
        processes: dict[str, psutil.Process] = {"server": redis}
        http: dict[str, str] = {}
        for service in services:
            processes[service], http[service] = exits.enter_context(
                program(f"services.{service}", environment, folder / f"{service}.log")
            )
        yield Running(redis_url, blob_url, http, processes)


@contextmanager
def blob_folder() -> Iterator[Path]:
    """An empty folder for images, ours or a peer's, in memory where there is room.

    On ext4 a file is made in 30 µs, but in up to 700 for minutes after many were removed (its allocator passes over the
    inodes of the latest), as those of an earlier run are: what is measured would be the history of the disk.
    """
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-", dir=_MEMORY if in_memory else None) as folder:
        yield Path(folder)


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A Valkey as the product runs it, with its append-only file in `folder`, synced every second."""
    port = free_port("127.0.0.1")
    command = [str(valkey_binary()), str(_CONFIG), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **allocator()})
    url = f"redis://127.0.0.1:{port}/0"
    try:
        with Redis.from_url(url, retry=Retry(ConstantBackoff(0.02), 250)) as client:
            client.ping()
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def program(module: str, environment: Mapping[str, str], log: Path) -> Iterator[tuple[psutil.Process, str]]:
    """`python -m MODULE` as a service, once it is ready: its process and its public address."""
    admin, public = free_port("127.0.0.1"), free_port("127.0.0.1")
    ports = {"DARKROOM_ADMIN_PORT": str(admin), "DARKROOM_PORT": str(public), "DARKROOM_RESULTS_PORT": str(public)}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", module], env={**environment, **ports}, stderr=written, stdout=written
        )
    try:
        _wait_ready(f"http://127.0.0.1:{admin}/health/ready", process, log)
        yield psutil.Process(process.pid), f"http://127.0.0.1:{public}"
    finally:
        process.terminate()
        process.wait()


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit(f"the service did not start:\n{log.read_text()[-4000:]}")


def cpu_seconds(process: psutil.Process) -> float:
    """CPU seconds of a process and its children so far."""
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        used = child.cpu_times()
        total += used.user + used.system
    return float(total)
