"""A fleet as its users and its operators see it: pictures go in, states come out, logs and health tell how it is."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import cv2
import httpx
import numpy as np

from tests.chaos.fleet import Fleet
from tests.support.waiting import wait_until


@dataclass
class System:
    """A fleet, a client of its HTTP, and what its logs said since the last `mark`."""

    fleet: Fleet
    client: httpx.Client
    #: What clients met since the mark that they tried again: `503`, or the name of an exception.
    retried: Counter[str] = field(default_factory=Counter)
    _marks: dict[str, int] = field(default_factory=dict)
    _sent: int = 0

    def mark(self) -> None:
        """Forget what was logged, and what clients met, before."""
        self.retried.clear()
        self._marks = {member.name: member.log.stat().st_size for member in self.fleet.members}

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """What the processes of a kind logged since the mark."""
        found = []
        for member in self.fleet.of(kind):
            with member.log.open("rb") as log:
                log.seek(self._marks.get(member.name, 0))
                found += [json.loads(line) for line in log.read().splitlines() if line.startswith(b"{")]
        return found

    def told(self, kind: str, event: str, **facts: str) -> int:
        """How often the processes of a kind logged an event."""
        return sum(line["event"] == event and facts.items() <= line.items() for line in self.lines(kind))

    def ready(self, kind: str) -> bool:
        """What the readiness check of a kind says."""
        member = self.fleet.of(kind)[0]
        url = f"http://127.0.0.1:{member.environment['DARKROOM_ADMIN_PORT']}/health/ready"
        try:
            return self.client.get(url).status_code == 200
        except httpx.TransportError:
            return False

    def all_ready(self) -> bool:
        return all(self.ready(kind) for kind in ("ingest", "process", "results"))

    def none_ready(self) -> bool:
        return not any(self.ready(kind) for kind in ("ingest", "process", "results"))

    def unique(self) -> str:
        """A name that no other test has."""
        self._sent += 1
        return f"{self._sent}-{time.monotonic_ns()}"

    def submit(self) -> str:
        """Send a picture that no other test sent, as a client that retries 503 does; returns the job's id."""
        self._sent += 1
        key = f"picture-{self._sent}-{time.monotonic()}"
        headers = {"Content-Type": "image/png", "Idempotency-Key": key}
        url = f"{self.fleet.ingest[0]}/v1/images?filters=sepia"

        def accepted() -> str:
            answer = self.ask("POST", url, content=encoded(self._sent), headers=headers)
            if answer is None:
                return ""
            assert answer.status_code == 202, answer.text
            return str(answer.json()["jobs"][0]["id"])

        return wait_until(accepted, timeout=60)

    def ask(self, method: str, url: str, **request: Any) -> httpx.Response | None:  # noqa: ANN401 - httpx's
        """The answer; none, remembered in `retried`, where a client tries again."""
        try:
            answer = self.client.request(method, url, **request)
        except httpx.TransportError as error:
            self.retried[type(error).__name__] += 1
            return None
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            assert "retry-after" in answer.headers
            self.retried["503"] += 1
            return None
        return answer

    def state(self, job: str) -> str:
        answer = self.client.get(f"{self.fleet.results[0]}/v1/jobs/{job}")
        return str(answer.json()["state"]) if answer.status_code == 200 else ""

    def develops(self, job: str | None = None) -> None:
        """The whole way works: a picture sent now is done soon."""
        job = job or self.submit()
        wait_until(lambda: self.state(job) == "done", timeout=30)


_S = TypeVar("_S", bound=System)


@contextmanager
def started(system: _S, *, server: bool = True) -> Iterator[_S]:
    """The fleet runs and is ready; without `server` its services have one elsewhere. It ends with this."""
    try:
        if server:
            system.fleet.server.start()
        for member in system.fleet.members:
            member.start()
        wait_until(system.all_ready, timeout=100)
        yield system
    finally:
        system.fleet.end()


def well(system: _S) -> _S:
    """The same, ready again whatever happened before, with nothing said yet."""
    wait_until(system.all_ready, timeout=30)
    system.mark()
    return system


def encoded(seed: int) -> bytes:
    """A small picture, another one for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
    _, data = cv2.imencode(".png", pixels)
    return data.tobytes()


class Uploader:
    """Sends pictures, and looks at each job, for as long as it runs; `jobs` are those that were accepted."""

    def __init__(self, system: System, pause: float = 0.05) -> None:
        self.jobs: list[str] = []
        self._system = system
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Uploader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            self.jobs.append(self._system.submit())
            answer = self._system.ask("GET", f"{self._system.fleet.results[0]}/v1/jobs/{self.jobs[-1]}")
            assert answer is None or answer.status_code == 200, answer.text
