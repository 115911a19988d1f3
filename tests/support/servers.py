"""Real Redis servers for tests: Valkey from its wheel, Redis from the system."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry

from infra import bound
from infra.ports import free_port
from tests.support.waiting import wait_until


@contextmanager
def redis_server(binary: str, folder: Path, *options: str) -> Iterator[str]:
    """A server on a free port of the loopback, gone at the end or with this process; yields its URL."""
    port = free_port("127.0.0.1")
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
    with ends_with_us(command, log=folder / "server.log") as process:
        url = f"redis://127.0.0.1:{port}/0"
        with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
            wait_until(lambda: _answers(client, process))
        yield url


@contextmanager
def ends_with_us(command: list[str], *, log: Path, grace: float = 20.0) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command whose output goes to `log`; stopped at the end, and by the kernel if this process is killed."""
    launcher = [sys.executable, "-I", "-S", bound.__file__]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*launcher, str(os.getpid()), str(int(signal.SIGTERM)), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(client: Redis, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"{process.args} ended with {process.returncode}")
    try:
        return bool(client.ping())
    except NoConnection:
        return False
