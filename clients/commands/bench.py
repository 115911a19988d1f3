"""`darkroom bench`."""

from typing import Annotated

import typer

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def bench(
    context: typer.Context,
    *,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which benchmark; none lists them.")] = None,
) -> None:
    """Run a benchmark. Further arguments go to it.

    \b
    Examples:
      darkroom bench
      darkroom bench engine --help
    """
    from clients.bench import run

    raise typer.Exit(run(name, context.args))
