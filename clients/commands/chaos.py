"""`darkroom chaos`."""

from typing import Annotated

import typer

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def chaos(
    context: typer.Context,
    minutes: Annotated[float, typer.Option(help="How long the storm lasts.")] = 30.0,
    seed: Annotated[int, typer.Option(help="The same seed lets the blows fall in the same order; 0 chooses one.")] = 0,
) -> None:
    """Kill, stop and restart services and server at random under load, then account for every job.

    \b
    Examples:
      darkroom chaos --minutes 2
      darkroom chaos --minutes 30 --server redis --keep

    It runs a fleet of its own in a temporary folder and touches nothing else. Further options: --server redis (the
    system's Redis instead of the embedded Valkey), --lease and --gust (seconds), --keep (the folder with all logs).
    Exit code: 0 only when nothing was lost, nothing doubled and nothing else went wrong.
    """
    from clients.storm import run

    raise typer.Exit(run(["--minutes", str(minutes), "--seed", str(seed), *context.args]))
