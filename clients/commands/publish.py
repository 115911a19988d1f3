"""`darkroom publish`."""

from pathlib import Path
from typing import Annotated

import typer

from clients.commands.options import Filters, Format, Json, Preset, Priority, Quality


def publish(
    *,
    names: Annotated[
        list[str], typer.Argument(metavar="FILES", help="Pictures, folders, patterns, or '-' for standard input.")
    ],
    filters: Filters = None,
    preset: Preset = None,
    image_format: Format = None,
    quality: Quality = None,
    priority: Priority = "normal",
    batch: Annotated[str | None, typer.Option(metavar="BATCH", help="Join this batch.")] = None,
    wait_for_room: Annotated[
        bool, typer.Option("--wait-for-room", help="Wait while too much work waits, instead of giving up.")
    ] = False,
    data_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="Data directory of the 'darkroom up' to publish to.")
    ] = Path(".darkroom"),
    as_json: Json = False,
) -> None:
    """Publish pictures without HTTP.

    They are put in the blob store and their events on the stream.

    \b
    Examples:
      darkroom publish holiday/ --filter sepia
      darkroom publish *.jpg -f grayscale --priority bulk --wait-for-room
      DARKROOM_REDIS_URL=redis://queue/0 DARKROOM_BLOB_URL=s3://photos darkroom publish cat.jpg -f edge

    DARKROOM_REDIS_URL and DARKROOM_BLOB_URL say where; without them it is the 'darkroom up' of the data directory.
    Exit code: 0 when all were published, 1 when not, 2 for wrong usage.
    """
    from clients.publish import PublishCommand
    from clients.publish import publish as run

    command = PublishCommand(
        names=names,
        filters=filters or [],
        preset=preset,
        format=image_format,
        quality=quality,
        priority=priority,
        batch=batch,
        wait_for_room=wait_for_room,
        data_dir=data_dir,
        as_json=as_json,
    )
    raise typer.Exit(run(command))
