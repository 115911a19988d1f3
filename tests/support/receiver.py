"""A receiver of webhooks on the loopback that refuses each message once."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """Takes webhooks, each at its second try; `tries` by message id, `taken` are the events."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tries: Counter[str] = Counter()
        self.taken: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def told_of(self, batch: str) -> list[str]:
        """The types of the events of one batch, sorted."""
        return sorted(
            event["type"] for event in list(self.taken) if batch in (event["subject"], event["data"].get("batch"))
        )

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        """Serve in a thread of its own until the end."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def handle_error(self, *_: object) -> None:
        """Say nothing when a sender breaks off: it may have been killed."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = self.headers["webhook-id"]
        self.server.tries[message] += 1
        first = self.server.tries[message] == 1
        if not first:
            self.server.taken.append(json.loads(body))
        self.send_response(503 if first else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: tests look at what was taken."""
