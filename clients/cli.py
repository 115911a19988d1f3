"""The command line, `darkroom COMMAND`.

Commands read their options here and import what they do when they do it, so that `--help` answers at once.
"""

import os
import sys

import typer
from typer.main import get_command

from clients.commands import bench, chaos, dead, develop, filters, keys, publish, status, submit, test, up
from clients.program import NAME, program, told_to

#: Set by a shell that asks what to offer after a Tab.
_COMPLETING = "_DARKROOM_COMPLETE"

app = typer.Typer(
    name="darkroom",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Darkroom develops pictures: chains of filters, run by services on Redis Streams.\n\n"
    "Start it with 'darkroom up', then 'darkroom submit cat.jpg --filter sepia -o cat-sepia.jpg'.",
)
app.command()(up.up)
app.command()(submit.submit)
app.command()(publish.publish)
app.command()(status.status)
app.command()(status.watch)
app.command()(develop.develop)
app.command()(filters.filters)
app.add_typer(dead.app, name="dead")
app.add_typer(keys.app, name="keys")
app.command(context_settings=bench.CONTEXT)(bench.bench)
app.command("test", context_settings=test.CONTEXT)(test.check)
app.command(context_settings=chaos.CONTEXT)(chaos.chaos)


def main() -> None:
    """Run a command and exit with its code; what went wrong is said in words on standard error.

    Codes: 0 all is done, 1 something failed, 2 wrong usage, 130 interrupted by Ctrl-C.
    """
    try:
        if os.environ.get(_COMPLETING) == "complete_bash":
            from clients.completion import in_bash  # noqa: PLC0415 - only a Tab needs it

            in_bash(_run)
        else:
            _run()
    except Exception as error:
        from clients.words import explain  # noqa: PLC0415 - only needed when something went wrong

        explained = explain(error)
        if explained is None:
            raise
        message, code = explained
        print(message, file=sys.stderr)  # noqa: T201 - said to the person at the terminal
        sys.exit(code)


def _run() -> None:
    command = get_command(app)
    taught = any(argument.startswith(("--install-completion", "--show-completion")) for argument in sys.argv[1:])
    if taught or _COMPLETING in os.environ:
        from clients.completion import call_what_was_typed  # noqa: PLC0415 - as above

        call_what_was_typed()
        name = NAME
    else:
        told_to(command)
        name = program()
    command(prog_name=name, complete_var=_COMPLETING)


if __name__ == "__main__":
    main()
