"""The product as its users run it: `darkroom up` in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra import bound
from infra.addresses import Addresses
from infra.local import KEY_FILE
from shared.api_keys import SCOPES, Scope, add_key
from tests.support.waiting import wait_until

#: The installed command of the environment that runs the tests.
DARKROOM = Path(sys.executable).with_name("darkroom")
#: Where the stack of the session says that its traces are to be seen.
TRACE_URL = "https://traces.example/trace/{trace_id}"


@dataclass
class Stack:
    """A running `darkroom up`. `url` is its origin, `admin` the admin address of each service by name."""

    process: subprocess.Popen[bytes]
    addresses: Addresses
    #: What it and its services logged.
    log: Path

    @property
    def url(self) -> str:
        return self.addresses.http

    @property
    def redis_url(self) -> str:
        return self.addresses.redis

    @property
    def admin(self) -> Mapping[str, str]:
        return self.addresses.admin

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def data_dir(self) -> Path:
        return Path(self.addresses.data_dir)

    @property
    def blob_url(self) -> str:
        return (self.data_dir / "blobs").as_uri()

    def new_key(self, name: str, *scopes: Scope) -> str:
        """A key for everything, or for some of it. The product must have been started with one."""
        return add_key(self.data_dir / KEY_FILE, name, scopes or SCOPES)[1]

    def stop(self) -> int:
        """Ask it to drain as Ctrl-C does, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill_group(self) -> None:
        """Kill -9 the whole process group, as a closed terminal or a crash of the session would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def logged(self) -> str:
        return self.log.read_text(errors="replace")


def start_guarded(data_dir: Path) -> Stack:
    """The same with API keys, of which a first one is made."""
    data_dir.mkdir(parents=True, exist_ok=True)
    add_key(data_dir / KEY_FILE, "first", SCOPES)
    return start(data_dir)


def start(data_dir: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Stack:
    """Start `darkroom up` on a data directory and wait until it says that it is ready."""
    data_dir.mkdir(parents=True, exist_ok=True)
    log, answer = data_dir / "up.log", data_dir / "up.json"
    command = [str(DARKROOM), "up", "--json", "--port", "0", "--data-dir", str(data_dir), *arguments]
    with log.open("ab") as errors, answer.open("wb") as output:
        process = subprocess.Popen(
            # It ends with the process of the tests, however that ends.
            [sys.executable, "-I", "-S", bound.__file__, str(os.getpid()), str(int(signal.SIGTERM)), *command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    wait_until(lambda: answer.read_bytes().endswith(b"\n") or process.poll() is not None, timeout=330)
    if process.poll() is not None:
        raise AssertionError(f"darkroom up ended with {process.returncode}:\n{log.read_text(errors='replace')}")
    return Stack(process, msgspec.json.decode(answer.read_bytes(), type=Addresses), log)
