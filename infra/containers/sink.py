"""Stands in for the OpenTelemetry collector in the smoke run: takes spans over OTLP/HTTP, tells whose they were."""

import gzip
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_SERVICE = re.compile(rb"service\.name\x12.\n.(ingest|process|results)")
seen: set[str] = set()


class Sink(BaseHTTPRequestHandler):
    """`POST /v1/traces` takes a batch of spans, `GET /services` names the services that sent some."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        seen.update(name.decode() for name in _SERVICE.findall(body))
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(" ".join(sorted(seen)).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 4318), Sink).serve_forever()  # noqa: S104 - inside a container's private network
