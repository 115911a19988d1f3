"""Options that several commands share."""

from typing import Annotated

import typer

Url = Annotated[
    str | None,
    typer.Option("--url", help="Address of the service. [env: DARKROOM_URL; default: http://127.0.0.1:8080]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for scripts.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="FILTER",
        help="A filter with its parameters, as in blur:size=9; repeat for a chain. See 'darkroom filters'.",
    ),
]
Preset = Annotated[
    str | None, typer.Option("--preset", "-p", metavar="NAME", help="A named chain, before the filters given.")
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="jpeg, png, webp or avif. Default: that of the picture."),
]
Quality = Annotated[int | None, typer.Option("--quality", "-q", min=1, max=100, help="Quality of lossy formats.")]
Priority = Annotated[str, typer.Option("--priority", metavar="PRIORITY", help="normal or bulk.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the pictures are developed.")]
