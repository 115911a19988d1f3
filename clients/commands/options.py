"""Options that several commands share."""

import os
from typing import Annotated

import typer

from clients.completion import complete_filter, complete_preset

Url = Annotated[
    str | None,
    typer.Option("--url", help="Address of the service. [env: DARKROOM_URL; default: http://127.0.0.1:8080]"),
]


def _use_key(key: str | None) -> None:
    """For the clients of this process, as if the variable had been set."""
    if key:
        os.environ["DARKROOM_API_KEY"] = key
        os.environ.pop("DARKROOM_API_KEY_FILE", None)


Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        callback=_use_key,
        expose_value=False,
        help="API key, where one is needed. [env: DARKROOM_API_KEY, which other users of this machine cannot see]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for scripts.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="FILTER",
        autocompletion=complete_filter,
        help="A filter with its parameters, as in blur:size=9; repeat for a chain. See 'darkroom filters'. Without one "
        "a picture comes back as it is, EXIF included, unless --format or --quality changes it.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        "-p",
        metavar="NAME",
        autocompletion=complete_preset,
        help="A named chain, before the filters given. See 'darkroom filters --presets'.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="jpeg, png, webp or avif. Default: that of the picture."),
]
Quality = Annotated[int | None, typer.Option("--quality", "-q", min=1, max=100, help="Quality of lossy formats.")]
Priority = Annotated[str, typer.Option("--priority", metavar="PRIORITY", help="normal or bulk.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the pictures are developed.")]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="WHERE",
        help="A folder, a file, '-', or a template with {stem} {chain} {ext} {dir} {index}.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist and differ.")]
