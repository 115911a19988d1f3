"""A real HTTP server with the manners of a service in trouble: it answers as it is told, and may break off."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """One answer. `breaks` leaves the connection without the end of the body that was announced."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False


@dataclass(frozen=True)
class Received:
    """One request as it came, and when (`time.monotonic`)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


class ScriptedServer:
    """Answers each request with the next answer, the last one again and again."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._answers: list[Answer] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def will_answer(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _next(self) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                script.received.append(Received(self.command, self.path, dict(self.headers), body))
                answer = script._next()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body) + (1000 if answer.breaks else 0)))
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = answer.breaks

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def problem(status: int, code: str, **headers: str) -> Answer:
    """A problem document with this code."""
    body = b'{"type":"about:blank","title":"No","status":%d,"detail":"It is so.","code":"%b"}' % (status, code.encode())
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def event_stream(*events: tuple[int | None, str, bytes], breaks: bool = False) -> Answer:
    """An answer of server-sent events, each with its id, type and data."""
    body = b"".join(
        (b"id: %d\n" % number if number is not None else b"")
        + (f"event: {kind}\n".encode() if kind else b"")
        + b"data: %b\n\n" % data
        for number, kind, data in events
    )
    return Answer(200, body, {"Content-Type": "text/event-stream"}, breaks)


def job(job_id: str, state: str) -> bytes:
    """The least of a job document."""
    return b'{"id":"%b","state":"%b"}' % (job_id.encode(), state.encode())


def ids(jobs: Sequence[Any]) -> list[tuple[str, str]]:
    return [(one.id, one.state) for one in jobs]
