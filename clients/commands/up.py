"""`darkroom up`."""

from pathlib import Path
from typing import Annotated

import typer


def up(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of page and API; 0 picks a free one.")] = 8080,
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Where all data is kept.")] = Path(".darkroom"),
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that develop. Default: one per core.")
    ] = None,
    traces: Annotated[bool, typer.Option("--traces", help="Start the Jaeger found on PATH, and send it all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON when ready.")] = False,
) -> None:
    """Start Darkroom on this machine.

    Queue, services, API and page, until Ctrl-C stops them cleanly.

    \b
    Examples:
      darkroom up
      darkroom up --port 9000 --data-dir ~/darkroom --workers 4
      DARKROOM_REDIS_URL=redis://queue:6379/0 darkroom up
    """
    from infra.local import up as run

    raise typer.Exit(run(host=host, port=port, data_dir=data_dir, workers=workers, traces=traces, json=as_json))
