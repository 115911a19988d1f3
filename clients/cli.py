"""The command line, `darkroom COMMAND`.

Commands read their options here and import what they do when they do it, so that `--help` answers at once.
"""

import signal
import sys

import typer

from clients.commands import bench, dead, filters, publish, status, submit, test, up

#: Exit codes.
FAILED = 1
USAGE = 2
INTERRUPTED = 128 + signal.SIGINT

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
app.command()(filters.filters)
app.add_typer(dead.app, name="dead")
app.command(context_settings=bench.CONTEXT)(bench.bench)
app.command("test", context_settings=test.CONTEXT)(test.check)


def main() -> None:
    """Run a command and exit with its code; what went wrong is said in words on standard error."""
    try:
        app()
    except KeyboardInterrupt:
        _say("Interrupted. Give the same command again to go on.")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to tell.
        sys.stderr.close()
        sys.exit(FAILED)
    except Exception as error:
        from clients.words import explain  # noqa: PLC0415 - only needed when something went wrong

        explained = explain(error)
        if explained is None:
            raise
        message, code = explained
        _say(message)
        sys.exit(code)


def _say(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - this is the command's output


if __name__ == "__main__":
    main()
