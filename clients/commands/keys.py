"""`darkroom keys add|list|revoke`."""

from pathlib import Path
from typing import Annotated

import typer

from clients.commands.options import Json

app = typer.Typer(
    help="API keys: add, list, revoke.\n\nA running Darkroom takes changes up at once; it must be started anew for the "
    "first key.\n\n\b\nExamples:\n  darkroom keys add phone\n  darkroom keys list",
    no_args_is_help=True,
)
File = Annotated[
    Path,
    typer.Option(
        "--file",
        metavar="FILE",
        envvar="DARKROOM_API_KEYS_FILE",
        help="The file of keys. 'darkroom up' finds the default by itself.",
    ),
]
_DEFAULT = Path(".darkroom/keys.json")


@app.command()
def add(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is: the owner of jobs made with it.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="submit, read or operate; repeat. Default: submit and read."),
    ] = None,
    file: File = _DEFAULT,
    as_json: Json = False,
) -> None:
    """Make a key and print it, once: only its hash is kept.

    \b
    Examples:
      darkroom keys add phone
      darkroom keys add dashboard --scope read --scope operate
    """
    from clients.keys import add_key

    raise typer.Exit(add_key(file, name, scope or ["submit", "read"], as_json=as_json))


@app.command("list")
def list_(*, file: File = _DEFAULT, as_json: Json = False) -> None:
    """List keys: id, name, scopes and when they were made.

    \b
    Examples:
      darkroom keys list
      darkroom keys list --json
    """
    from clients.keys import list_keys

    raise typer.Exit(list_keys(file, as_json=as_json))


@app.command()
def revoke(
    *,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a key; see 'darkroom keys list'.")],
    file: File = _DEFAULT,
    as_json: Json = False,
) -> None:
    """Take a key out of use; the jobs of its owner stay.

    \b
    Examples:
      darkroom keys revoke 1f2e3d4c
    """
    from clients.keys import revoke_key

    raise typer.Exit(revoke_key(file, key_id, as_json=as_json))
