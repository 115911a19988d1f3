"""`darkroom test`."""

from typing import Annotated

import typer

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def check(
    context: typer.Context,
    *,
    lint: Annotated[bool, typer.Option("--lint/--no-lint", help="Check style, format and types first.")] = True,
) -> None:
    """Check style, format, types; run the tests.

    Further arguments go to pytest.

    \b
    Examples:
      darkroom test
      darkroom test --no-lint tests/clients -k template
      CI=true darkroom test

    A test whose real part (a Redis server, Chromium, an S3 server) is missing is skipped; with CI=true or
    DARKROOM_REQUIRE_ALL=1 it fails instead. Exit code: 0 only when all of it passed.
    """
    from clients.gates import run

    raise typer.Exit(run(context.args, lint=lint))
