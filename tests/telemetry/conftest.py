"""The running product with a receiver of its spans beside it."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import psutil
import pytest

from tests.support import stack as stacks
from tests.support.jaeger import Jaeger
from tests.support.otlp import ReceivedSpan, Receiver, receiver
from tests.support.site import Site
from tests.support.stack import Stack
from tests.support.waiting import wait_until
from tests.telemetry.tree import orphans


@dataclass
class Traced:
    """The product under test, one pool child, a short lease; `http` speaks to it, `receiver` has its spans."""

    stack: Stack
    receiver: Receiver | Jaeger
    http: httpx.Client

    def upload(self, *shades: int, headers: dict[str, str] | None = None, **fields: str) -> list[str]:
        """Send one small picture per shade in one request; returns the job ids."""
        files = [("image", (f"{shade}.png", picture(shade))) for shade in shades]
        answer = self.http.post("/v1/images", files=files, data=fields, headers=headers)
        assert answer.status_code == 202, answer.text
        return [job["id"] for job in answer.json()["jobs"]]

    def job(self, job_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}").json()
        return document

    def ended(self, job_id: str, *, run: int = 1) -> dict[str, Any]:
        """The document of the job once this run has ended."""

        def document() -> dict[str, Any] | None:
            found = self.job(job_id)
            return found if found.get("run") == run and found["state"] in {"done", "failed"} else None

        found = wait_until(document, timeout=60)
        assert found is not None
        return found

    def trace_of(self, trace: str, *, spans: int) -> list[ReceivedSpan]:
        """The spans of a trace, once as many as that came; fails when an orphan is among them."""
        wait_until(lambda: len(self.receiver.of_trace(trace)) >= spans, timeout=15)
        found = self.receiver.of_trace(trace)
        assert not orphans(self.receiver.spans, outside=[OUTSIDE]), "spans without their parent"
        return found

    def process_service(self) -> psutil.Process:
        """The process service, once it is ready."""
        wait_until(self._ready, timeout=60)
        children = psutil.Process(self.stack.pid).children()
        (found,) = [child for child in children if "services.process" in child.cmdline()]
        return found

    def freeze_pool(self) -> psutil.Process:
        """Stop the pool's children, so that the next image stays in work; returns the service they belong to."""
        service = self.process_service()
        # Not the server that forked them: who is to end must be told that they are gone.
        for server in service.children():
            for child in server.children():
                child.send_signal(signal.SIGSTOP)
        return service

    def kill_child_at_work(self, job_id: str) -> None:
        """End the pool's children while one of them works on a job."""
        wait_until(lambda: self.job(job_id)["attempts"] == 1, timeout=30)
        for server in self.process_service().children():
            for child in server.children():
                child.kill()

    def kill_at_work(self, job_id: str, *, attempt: int = 1, how: signal.Signals = signal.SIGKILL) -> None:
        """End the process service while it works on a job, for the given attempt."""
        service = self.freeze_pool()
        wait_until(lambda: self.job(job_id)["attempts"] == attempt, timeout=30)
        # What the worker published must have been seen: its span is what would be an orphan.
        os.kill(service.pid, how)
        wait_until(lambda: not service.is_running() or service.status() == psutil.STATUS_ZOMBIE)

    def _ready(self) -> bool:
        try:
            return self.http.get(f"{self.stack.admin['process']}/health/ready").is_success
        except httpx.TransportError:
            return False


#: The span of a publisher outside of Darkroom.
OUTSIDE = "b7ad6b7169203331"
OUTSIDE_TRACE = "0af7651916cd43dd8448eb211c80319c"


def picture(shade: int) -> bytes:
    """A small PNG that no other shade shares."""
    pixels = np.full((40, 60, 3), shade, np.uint8)
    pixels[:, ::2] = 255 - shade
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


@pytest.fixture(scope="module")
def source() -> Iterator[Receiver | Jaeger]:
    """What the product sends its spans to, and tests read them from."""
    with receiver() as received:
        yield received


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, site: Site, source: Receiver | Jaeger) -> Iterator[Traced]:
    environment = {
        "DARKROOM_DRAIN_GRACE": "0.5",
        "DARKROOM_LEASE": "1",
        "DARKROOM_MAX_ATTEMPTS": "2",
        "DARKROOM_WEBHOOK_ALLOW_PRIVATE": "true",
        "DARKROOM_WEBHOOK_FIRST_DELAY": "0.1",
    }
    running = stacks.start(
        tmp_path_factory.mktemp("traced"),
        "--workers",
        "1",
        environment={**environment, **site.environment, **source.environment},
    )
    with httpx.Client(base_url=running.url, trust_env=False, timeout=20) as http:
        yield Traced(running, source, http)
    assert running.stop() == 0, running.logged()


@dataclass
class Hook:
    """A receiver of webhooks: what came, and what it answers (200 when the list is used up)."""

    url: str
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.requests.append(({name.lower(): value for name, value in self.headers.items()}, json.loads(body)))
            self.send_response(heard.answers.pop(0) if heard.answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: the tests look at what came."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        heard = Hook(f"http://127.0.0.1:{server.server_port}/hook")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield heard
        server.shutdown()
        thread.join()


@pytest.fixture
def corrupt() -> bytes:
    """A PNG whose header is fine and whose pixels are cut off."""
    data = picture(77)
    return data[: len(data) // 2]


@pytest.fixture(scope="session")
def here() -> Path:
    """The project's folder."""
    return Path(__file__).parents[2]
