"""Ingest and results in one process behind one public port: the origin of the stack on one machine.

In a fleet a gateway does the same between two services; the services know nothing of each other either way.
"""

import sys
from typing import Annotated, cast

import typer
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.paths import belongs_to_results
from services.ingest.app import IngestService
from services.ingest.settings import IngestSettings
from services.results.app import ResultsService
from services.results.settings import ResultsSettings
from shared import telemetry
from shared.exposure import exposed
from shared.service import run_all


def dispatch(ingest: ASGIApp, results: ASGIApp) -> ASGIApp:
    """One ASGI app of two, told apart by the path."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (results if belongs_to_results(scope["path"]) else ingest)(scope, receive, send)

    return app


def main(
    host: str = "127.0.0.1",
    port: int = 8080,
    ingest_admin_port: Annotated[int, typer.Option(help="0 picks a free one.")] = 0,
    results_admin_port: Annotated[int, typer.Option(help="0 picks a free one.")] = 0,
) -> None:
    """Serve ingest and results at one address until SIGTERM or SIGINT."""
    ingest = IngestService(IngestSettings(admin_port=ingest_admin_port))
    results = ResultsService(ResultsSettings(admin_port=results_admin_port))
    settings = ingest.settings
    if reason := exposed(host, settings):
        sys.exit(reason)
    telemetry.configure(
        "origin", level=settings.log_level, log_format=settings.log_format, services=(ingest.name, results.name)
    )
    # A service may have no public app (process has none); these two do.
    app = dispatch(cast("ASGIApp", ingest.app), results.app)
    try:
        run_all([ingest, results], app=app, host=host, port=port)
    finally:
        telemetry.flush()


if __name__ == "__main__":
    typer.run(main)
