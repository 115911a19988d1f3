"""`darkroom dead list|show|replay|drop`."""

from typing import Annotated

import typer

from clients.commands.options import Json, Key, Url

app = typer.Typer(
    help="Dead letters: list, show, replay, drop.\n\nEvents that could not be read, or that used up their attempts.\n\n"
    "\b\nExamples:\n  darkroom dead list\n  darkroom dead replay --all --rate 5",
    no_args_is_help=True,
)
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of dead letters.")]
Everything = Annotated[bool, typer.Option("--all", help="Every dead letter there is.")]


@app.command("list")
def list_(*, url: Url = None, _key: Key = None, as_json: Json = False) -> None:
    """List dead letters.

    \b
    Examples:
      darkroom dead list
      darkroom dead list --json | jq -r .code | sort | uniq -c
    """
    from clients.listing import list_dead

    raise typer.Exit(list_dead(url=url, as_json=as_json))


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a dead letter.")],
    *,
    url: Url = None,
    _key: Key = None,
    as_json: Json = False,
) -> None:
    """Show all of one dead letter, with the fields of its entry.

    \b
    Examples:
      darkroom dead show 0-1700000000000-0
      darkroom dead show 0-1700000000000-0 --json | jq -r .fields.data
    """
    from clients.listing import show_dead

    raise typer.Exit(show_dead(letter_id, url=url, as_json=as_json))


@app.command()
def replay(
    *,
    ids: Ids = None,
    everything: Everything = False,
    rate: Annotated[float, typer.Option(min=0.01, metavar="N", help="Replays per second at most.")] = 50.0,
    url: Url = None,
    _key: Key = None,
    as_json: Json = False,
) -> None:
    """Put dead letters back on their stream: the same job, its next run.

    \b
    Examples:
      darkroom dead replay 0-1700000000000-0
      darkroom dead replay --all
      darkroom dead replay --all --rate 5
    """
    from clients.listing import settle_dead

    raise typer.Exit(settle_dead("replay", ids or [], everything=everything, rate=rate, url=url, as_json=as_json))


@app.command()
def drop(
    *, ids: Ids = None, everything: Everything = False, url: Url = None, _key: Key = None, as_json: Json = False
) -> None:
    """Remove dead letters; their jobs stay failed.

    \b
    Examples:
      darkroom dead drop 0-1700000000000-0
      darkroom dead drop --all
    """
    from clients.listing import settle_dead

    raise typer.Exit(settle_dead("drop", ids or [], everything=everything, url=url, as_json=as_json))
