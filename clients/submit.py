"""What `darkroom submit` does."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clients.asynchronous import AsyncClient
from clients.calls import UploadOptions
from clients.chains import chain_from, check_names
from clients.display import Display
from clients.errors import Unreachable, WrongUsage
from clients.inputs import STANDARD, Input, find
from clients.items import Item
from clients.journal import Journal
from clients.outputs import Plan, check_output, plan, save, scratch, to_standard_output
from clients.submitting import Submitting, Task
from clients.words import interrupted, to_follow, to_look_at
from shared.errors import DarkroomError
from shared.events import FilterSpec

#: Seconds that a service which went away meanwhile is waited for, and that its 'come back later' is honoured.
_PATIENCE: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitCommand:
    """The options of one call."""

    names: Sequence[str]
    filters: Sequence[str]
    preset: str | None
    format: str | None
    quality: int | None
    priority: str
    webhook: str | None
    output: str | None
    wait: bool
    force: bool
    parallel: int
    url: str | None
    as_json: bool


def submit(command: SubmitCommand) -> int:
    """Run it; returns the exit code. Raises WrongUsage, Unreachable and DarkroomError."""
    output = command.output
    if output is None and STANDARD in command.names and command.wait and not command.as_json:
        output = STANDARD
    if output is not None and not command.wait:
        raise WrongUsage("--output needs the results; leave out --no-wait.")
    check_output(output, command.format, as_json=command.as_json)
    chain = chain_from(command.preset, command.filters)
    inputs, refused = find(command.names, fetched=True)
    plans = Plan([]) if output is None else plan(inputs, output, chain.label, command.format)
    items = [Item(index, one.shown, one) for index, one in enumerate(inputs)]
    for item, path in zip(items, plans.paths, strict=False):
        item.path = path
    bad = [Item.refused(len(items) + index, one) for index, one in enumerate(refused)]
    return asyncio.run(_submit(command, chain.filters, items, bad, output=output, wanted=plans.format))


async def _submit(
    command: SubmitCommand,
    chain: Sequence[FilterSpec],
    items: list[Item],
    bad: list[Item],
    *,
    output: str | None,
    wanted: str | None,
) -> int:
    options: UploadOptions = {
        "filters": list(chain),
        "format": command.format or wanted,
        "quality": command.quality,
        "priority": command.priority,
        "webhook": command.webhook,
    }
    inputs: list[Input] = [item.input for item in items if item.input is not None]
    async with AsyncClient(command.url, retry_for=0) as client:
        check_names(chain, [offered.name for offered in await client.filters()])
        client.retry_for = _PATIENCE
        journal = Journal.open([client.url, options], inputs)
        with (
            Display(
                len(items) + len(bad), as_json=command.as_json, to_stderr=output == STANDARD, wait=command.wait
            ) as display,
            scratch() as folder,
        ):
            for item in bad:
                display.changed(item)
            saving = None if output is None else _Saver(client, Path(folder), force=command.force)
            task = Task(options, wait=command.wait, parallel=command.parallel, save=saving)
            try:
                await Submitting(client, journal, task, display.changed).run(items)
            except BaseExceptionGroup as group:
                first = _first(group)
                if isinstance(first, DarkroomError) and journal.any_job() is None:
                    journal.close()
                if isinstance(first, Unreachable | DarkroomError | BrokenPipeError):
                    raise first from None
                raise
            except asyncio.CancelledError:
                # The live view is taken away first.
                display.close()
                _say(interrupted(journal.batch if journal.any_job() else None))
                raise
    if journal.any_job() and sys.stderr.isatty() and not command.as_json:
        _hint(journal.batch, len(items), wait=command.wait)
    journal.close()
    return 0 if all(_well(item, wait=command.wait) for item in [*items, *bad]) else 1


def _hint(batch: str, pictures: int, *, wait: bool) -> None:
    """How to come back to the batch; one picture that was waited for has been seen."""
    if not wait:
        _say(to_follow(batch))
    elif pictures > 1:
        _say(to_look_at(batch))


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - said to the person at the terminal


class _Saver:
    """Fetches a result and puts it in its place."""

    def __init__(self, client: AsyncClient, folder: Path, *, force: bool) -> None:
        self._client = client
        self._folder = folder
        self._force = force

    async def __call__(self, item: Item) -> str:
        part = self._folder / str(item.index)
        await self._client.save_result(str(item.job_id), part)
        if item.path is None:
            await asyncio.to_thread(to_standard_output, part)
        else:
            await asyncio.to_thread(save, part, item.path, force=self._force)
        part.unlink()
        return str(item.path or STANDARD)


def _well(item: Item, *, wait: bool) -> bool:
    return item.state == "done" if wait else item.job_id is not None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
