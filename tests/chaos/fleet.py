"""The fleet that the storm hits: a Redis server and several processes of each service, each on ports of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from infra import bound
from infra.ports import free_port
from infra.server import allocator, valkey_binary

REDIS_CONFIG: Final = Path(bound.__file__).with_name("redis") / "redis.conf"
#: Seconds that a member may take to end after SIGTERM.
_GRACE: Final = 25.0


@dataclass
class Member:
    """One process of the fleet, started again as often as it takes."""

    name: str
    kind: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    starts: int = 0
    stopped: bool = False
    _process: subprocess.Popen[bytes] | None = None
    #: Where in the log the present process begins.
    log_begins: int = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def status(self) -> int | None:
        """Exit status of the last process, none while it runs."""
        return self._process.poll() if self._process else None

    @property
    def up(self) -> bool:
        """Whether the process said that it is ready."""
        with self.log.open("rb") as log:
            log.seek(self.log_begins)
            text = log.read()
        return b'"ready"' in text or b"Ready to accept" in text

    def start(self) -> None:
        self.starts += 1
        self.log_begins = self.log.stat().st_size if self.log.exists() else 0
        self.stopped = False
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                # The kernel ends it with this process, however that ends.
                [sys.executable, "-I", "-S", bound.__file__, str(os.getpid()), str(int(signal.SIGKILL)), *self.command],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> bool:
        """Signal the process, none of its children; false when it does not run."""
        if self.pid is None:
            return False
        self.stopped = number == signal.SIGSTOP or (self.stopped and number != signal.SIGCONT)
        os.kill(self.pid, number)
        return True

    def child(self) -> psutil.Process | None:
        """Its youngest descendant: for the process service a child of the pool."""
        if self.pid is None:
            return None
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.pid).children(recursive=True)
            return max(children, key=lambda one: one.pid) if children else None
        return None

    def wait(self, timeout: float) -> bool:
        """Whether it ended within so many seconds."""
        assert self._process is not None
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """Stop it for good, by force if it does not drain in time."""
        self.send(signal.SIGCONT)
        if self.send(signal.SIGTERM) and not self.wait(_GRACE):
            self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()


@dataclass
class Fleet:
    """Every process of a storm, by kind."""

    folder: Path
    server: Member
    members: list[Member]
    port: int
    redis_url: str
    ingest: list[str]
    results: list[str]

    @property
    def blob_url(self) -> str:
        return (self.folder / "blobs").as_uri()

    def of(self, kind: str) -> list[Member]:
        return [member for member in self.members if member.kind == kind]

    def lead_through(self, port: int) -> None:
        """Let the services reach the server by another port of the loopback."""
        for member in self.members:
            member.environment = {**member.environment, "DARKROOM_REDIS_URL": f"redis://127.0.0.1:{port}/0"}

    def start(self) -> None:
        self.server.start()
        for member in self.members:
            member.start()

    def mend(self) -> None:
        """Let everybody go on, and start again whoever is gone."""
        for member in (self.server, *self.members):
            member.send(signal.SIGCONT)
            if member.pid is None:
                member.start()

    def end(self) -> None:
        for member in self.members:
            member.send(signal.SIGCONT)
            member.send(signal.SIGTERM)
        for member in (*self.members, self.server):
            member.end()


def build(folder: Path, server: str, *, process: int, ingest: int, results: int, lease: float) -> Fleet:
    """A fleet in `folder` on the server binary `server` (empty: the embedded Valkey), not started yet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "redis").mkdir(exist_ok=True)
    port = free_port("127.0.0.1")
    url = f"redis://127.0.0.1:{port}/0"
    command = [server or str(valkey_binary()), str(REDIS_CONFIG), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--dir", str(folder / "redis")]
    redis = Member("server", "server", command, {} if server else allocator(), folder / "server.log")
    shared = {
        "DARKROOM_REDIS_URL": url,
        "DARKROOM_BLOB_URL": (folder / "blobs").as_uri(),
        "DARKROOM_LEASE": str(lease),
        "DARKROOM_DRAIN_GRACE": "5",
        "DARKROOM_WORKERS": "1",
        "DARKROOM_LOG_FORMAT": "json",
        "DARKROOM_WEBHOOK_ALLOW_PRIVATE": "true",
        "DARKROOM_WEBHOOK_FIRST_DELAY": "0.5",
        "DARKROOM_WEBHOOK_TIMEOUT": "3",
    }
    members: list[Member] = []
    addresses: dict[str, list[str]] = {"ingest": [], "results": []}
    variables = {"ingest": "DARKROOM_PORT", "results": "DARKROOM_RESULTS_PORT"}
    for kind, count in (("process", process), ("ingest", ingest), ("results", results)):
        for number in range(count):
            environment = {**shared, "DARKROOM_ADMIN_PORT": str(free_port("127.0.0.1"))}
            if kind in variables:
                own = free_port("127.0.0.1")
                environment[variables[kind]] = str(own)
                addresses[kind].append(f"http://127.0.0.1:{own}")
            command = [sys.executable, "-m", f"services.{kind}"]
            name = f"{kind}-{number}"
            members.append(Member(name, kind, command, environment, folder / f"{name}.log"))
    return Fleet(folder, redis, members, port, url, addresses["ingest"], addresses["results"])
