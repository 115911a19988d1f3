"""`darkroom filters`."""

from typing import Annotated

import typer

from clients.commands.options import Json, Key, Url


def filters(
    *,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Only these filters.")] = None,
    presets: Annotated[bool, typer.Option("--presets", help="Show the named chains instead.")] = False,
    url: Url = None,
    _key: Key = None,
    as_json: Json = False,
) -> None:
    """List filters with parameters, or presets.

    \b
    Examples:
      darkroom filters
      darkroom filters blur resize
      darkroom filters --presets
    """
    from clients.listing import list_filters, list_presets

    raise typer.Exit(list_presets(as_json=as_json) if presets else list_filters(names or [], url=url, as_json=as_json))
