"""`darkroom develop`."""

from typing import Annotated

import typer

from clients.commands.options import Filters, Force, Format, Json, Output, Preset, Quality


def develop(
    *,
    names: Annotated[
        list[str], typer.Argument(metavar="FILES", help="Pictures, folders, patterns, or '-' for standard input.")
    ],
    filters: Filters = None,
    preset: Preset = None,
    output: Output = None,
    image_format: Format = None,
    quality: Quality = None,
    force: Force = False,
    parallel: Annotated[
        int | None, typer.Option("--parallel", "-j", min=1, max=256, help="Pictures at a time. Default: one per core.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Develop pictures here, without a service.

    \b
    Examples:
      darkroom develop photo.jpg --filter sepia -o out.jpg
      darkroom develop holiday/ --preset noir -o developed/
      cat cat.jpg | darkroom develop - -f resize:width=320 --format webp > cat.webp

    Pixels are the same as those of the service. Without --output the results go to the current folder.
    Exit code: 0 when every picture is done, 1 when any failed, 2 for wrong usage.
    """
    from clients.develop import DevelopCommand
    from clients.develop import develop as run

    command = DevelopCommand(
        names=names,
        filters=filters or [],
        preset=preset,
        output=output,
        format=image_format,
        quality=quality,
        force=force,
        parallel=parallel,
        as_json=as_json,
    )
    raise typer.Exit(run(command))
