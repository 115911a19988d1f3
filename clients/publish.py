"""What `darkroom publish` does."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clients.chains import chain_from, check_names
from clients.display import Display
from clients.errors import WrongUsage
from clients.inputs import find
from clients.items import Item
from clients.outputs import check_output
from clients.program import program
from clients.publisher import Publisher
from clients.words import to_follow
from infra import addresses
from shared.catalogue import check_chain
from shared.errors import StorageUnavailable
from shared.events import Output
from shared.keys import new_id
from shared.settings import Settings

_TOGETHER: Final = 64
PRIORITIES: Final = ("normal", "bulk")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishCommand:
    """The options of one call."""

    names: Sequence[str]
    filters: Sequence[str]
    preset: str | None
    format: str | None
    quality: int | None
    priority: str
    batch: str | None
    wait_for_room: bool
    data_dir: Path
    as_json: bool


def publish(command: PublishCommand) -> int:
    """Run it; returns the exit code.

    Raises WrongUsage, DarkroomError (a filter that no worker has, for example), and ConnectionError without a store.
    """
    check_output(None, command.format, as_json=command.as_json)
    if command.priority not in PRIORITIES:
        raise WrongUsage(f"--priority is one of {', '.join(PRIORITIES)}.")
    try:
        return asyncio.run(_publish(command))
    except StorageUnavailable as error:
        raise ConnectionError(
            f"{error.message}\nStart Darkroom with '{program()} up', name its --data-dir, or say with "
            "DARKROOM_REDIS_URL and DARKROOM_BLOB_URL where Redis and the blobs are."
        ) from error


async def _publish(command: PublishCommand) -> int:
    chain = chain_from(command.preset, command.filters)
    inputs, refused = find(command.names)
    items = [Item(index, one.shown, one) for index, one in enumerate(inputs)]
    bad = [Item.refused(len(items) + index, one) for index, one in enumerate(refused)]
    batch = command.batch or new_id(0)
    async with Publisher.from_settings(_settings(command.data_dir)) as publisher:
        if (offered := await publisher.offered()) is not None:
            check_names(chain.filters, [filter_.name for filter_ in offered])
            check_chain(chain.filters, offered)
        with Display(len(items) + len(bad), as_json=command.as_json, wait=False) as display:
            for item in bad:
                display.changed(item)
            for start in range(0, len(items), _TOGETHER):
                chunk = items[start : start + _TOGETHER]
                published = await publisher.publish(
                    [item.input.image for item in chunk if item.input is not None],
                    filters=chain.filters,
                    output=Output(format=command.format, quality=command.quality),
                    bulk=command.priority == "bulk",
                    batch=batch,
                    expected=None if command.batch else len(items),
                    wait_for_room=command.wait_for_room,
                )
                for item, job_id in zip(chunk, published.jobs, strict=True):
                    item.job_id, item.batch, item.state = job_id, batch, "queued"
                    display.changed(item)
    if items and sys.stderr.isatty() and not command.as_json:
        print(to_follow(batch), file=sys.stderr)  # noqa: T201 - a hint for people
    return 1 if bad else 0


def _settings(data_dir: Path) -> Settings:
    """The DARKROOM_* variables, else the stack of a data directory."""
    settings = Settings()
    running = addresses.read(data_dir)
    given = settings.model_fields_set
    if running is None or {"redis_url", "blob_url"} <= given:
        return settings
    found = {"redis_url": running.redis, "blob_url": f"file://{Path(running.data_dir) / 'blobs'}"}
    return settings.model_copy(update={name: url for name, url in found.items() if name not in given})
