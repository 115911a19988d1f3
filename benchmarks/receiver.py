"""Where the traces of a benchmark go."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from shared import telemetry


@contextmanager
def sampling(share: float) -> Iterator[None]:
    """Such a share of the requests is traced, here and in the processes that are started, and sent to a receiver."""
    with receiver() as url:
        os.environ.update(
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_TRACES_SAMPLER="parentbased_traceidratio",
            OTEL_TRACES_SAMPLER_ARG=str(share),
        )
        telemetry.configure_tracing("ingest")
        try:
            yield
        finally:
            telemetry.flush()


@contextmanager
def receiver() -> Iterator[str]:
    """An OTLP receiver in a process of its own, so that its work is not counted."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_receive, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _receive(connection: Connection) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: PLC0415 - of the other process only

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """A line per request would be all that is seen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    connection.send(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()
