"""Stands in, in the smoke run, for the OpenTelemetry collector and for a receiver of webhooks, and tells what came."""

import gzip
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_SERVICE = re.compile(rb"service\.name\x12.\n.(ingest|process|results)")
seen: set[str] = set()
#: Type and subject of each event that came as a webhook.
events: set[tuple[str, str]] = set()


class Sink(BaseHTTPRequestHandler):
    """`POST /v1/traces` takes a batch of spans, `GET /services` names the services that sent some.

    `POST /hook` takes a webhook, `GET /events?TYPE` counts the jobs or batches of which one of that type came.
    """

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/hook":
            event = json.loads(body)
            events.add((event["type"], event["subject"]))
        seen.update(name.decode() for name in _SERVICE.findall(body))
        self._answer(b"")

    def do_GET(self) -> None:
        path, _, kind = self.path.partition("?")
        told = str(sum(type_ == kind for type_, _ in events)) if path == "/events" else " ".join(sorted(seen))
        self._answer(told.encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 4318), Sink).serve_forever()  # noqa: S104 - inside a container's private network
