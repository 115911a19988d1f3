"""`darkroom submit`."""

from typing import Annotated

import typer

from clients.commands.options import Filters, Force, Format, Json, Key, Output, Preset, Priority, Quality, Url, Wait


def submit(
    *,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES", help="Pictures, folders, patterns, https addresses, or '-' for standard input."
        ),
    ],
    filters: Filters = None,
    preset: Preset = None,
    output: Output = None,
    image_format: Format = None,
    quality: Quality = None,
    priority: Priority = "normal",
    webhook: Annotated[str | None, typer.Option(metavar="URL", help="Called when a picture is done or failed.")] = None,
    wait: Wait = True,
    force: Force = False,
    parallel: Annotated[int, typer.Option("--parallel", "-j", min=1, max=16, help="Uploads at a time.")] = 4,
    url: Url = None,
    _key: Key = None,
    as_json: Json = False,
) -> None:
    """Develop pictures and fetch the results.

    \b
    Examples:
      darkroom submit holiday/ --filter sepia --output developed/
      darkroom submit *.jpg -f grayscale -f blur:size=9 -o '{stem}-{chain}.{ext}'
      darkroom submit cat.jpg --preset noir -o cat.webp
      cat cat.jpg | darkroom submit - -f edge > edges.jpg
      darkroom submit https://images.example.com/cat.jpg -f sepia -o cat.jpg
      darkroom submit *.jpg -f sepia --no-wait --json

    An address is fetched by the service, from the hosts that it lists (DARKROOM_FETCH_HOSTS).

    Folders are searched for pictures, sorted, subfolders too. A run that was interrupted goes on where it was when
    the same command is given again. Files that exist are kept unless --force is given; a result that is the same as the
    file already there is fine.

    Exit code: 0 when every picture is done (accepted, with --no-wait), 1 when any failed, 2 for wrong usage.
    """
    from clients.submit import SubmitCommand
    from clients.submit import submit as run

    command = SubmitCommand(
        names=names,
        filters=filters or [],
        preset=preset,
        format=image_format,
        quality=quality,
        priority=priority,
        webhook=webhook,
        output=output,
        wait=wait,
        force=force,
        parallel=parallel,
        url=url,
        as_json=as_json,
    )
    raise typer.Exit(run(command))
