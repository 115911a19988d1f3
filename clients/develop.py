"""What `darkroom develop` does: the engine of the process service, in this process."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clients.chains import chain_from
from clients.display import Display
from clients.errors import code_of
from clients.inputs import STANDARD, find
from clients.items import Item
from clients.outputs import check_output, plan, save, scratch, to_standard_output
from services.process.filters import canonical
from services.process.pipeline import develop as run_pipeline
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from shared.blobs import BlobStore
from shared.errors import DarkroomError
from shared.events import Failure, FilterSpec, Output

_SOURCE: Final = "originals/picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopCommand:
    """The options of one call."""

    names: Sequence[str]
    filters: Sequence[str]
    preset: str | None
    output: str | None
    format: str | None
    quality: int | None
    force: bool
    parallel: int | None
    as_json: bool


def develop(command: DevelopCommand) -> int:
    """Run it; returns the exit code. Raises WrongUsage, InvalidParameter and UnknownFilter."""
    output = command.output or (STANDARD if STANDARD in command.names else ".")
    check_output(output, command.format, as_json=command.as_json)
    chain = chain_from(command.preset, command.filters)
    canonical(chain.filters)  # A chain that cannot run is told before a picture is read.
    inputs, refused = find(command.names)
    plans = plan(inputs, output, chain.label, command.format)
    pairs = enumerate(zip(inputs, plans.paths, strict=True))
    items = [Item(index, one.shown, one, path) for index, (one, path) in pairs]
    bad = [Item.refused(len(items) + index, one) for index, one in enumerate(refused)]
    engine = _Engine(
        chain.filters, Output(format=plans.format or command.format, quality=command.quality), force=command.force
    )
    with Display(len(items) + len(bad), as_json=command.as_json, to_stderr=output == STANDARD) as display:
        for item in bad:
            display.changed(item)
        for item in _each(engine, items, command.parallel or os.cpu_count() or 1):
            display.changed(item)
    return 0 if all(item.state == "done" for item in [*items, *bad]) else 1


def _each(engine: "_Engine", items: Sequence[Item], parallel: int) -> Iterator[Item]:
    """Each item once it has ended. When the caller stops early, those not yet begun are left."""
    threads = ThreadPoolExecutor(parallel)
    try:
        for future in as_completed([threads.submit(engine, item) for item in items]):
            yield future.result()
    finally:
        threads.shutdown(cancel_futures=True)


class _Engine:
    """Develops one item after the other; may be called from several threads."""

    def __init__(self, chain: Sequence[FilterSpec], output: Output, *, force: bool) -> None:
        self._chain = list(chain)
        self._output = output
        self._force = force
        self._limits = ProcessSettings().limits

    def __call__(self, item: Item) -> Item:
        item.state = "processing"
        try:
            item.output = self._develop(item)
            item.state = "done"
        except DarkroomError as error:
            item.fail(code_of(error), error.message)
        except OSError as error:
            item.fail("not_saved" if isinstance(error, FileExistsError) else "unreadable", str(error))
        return item

    def _develop(self, item: Item) -> str:
        if item.input is None:
            raise ValueError(f"{item.shown} was refused and cannot be developed.")
        content = item.input.image.content
        # A store of its own for each picture, so that memory is free again after it.
        store = BlobStore("memory://")
        store.put(_SOURCE, content if isinstance(content, bytes) else content.read_bytes())
        request = Request(
            job_id="0-here",
            source=_SOURCE,
            owner="local",
            filters=self._chain,
            output=self._output,
            limits=self._limits,
        )
        report = run_pipeline(request, store)
        if report.result is None:
            raise _error(report)
        with scratch() as folder:
            part = Path(folder) / "part"
            part.write_bytes(store.get(report.result.key))
            if item.path is None:
                to_standard_output(part)
            else:
                save(part, item.path, force=self._force)
        return str(item.path or STANDARD)


def _error(report: Report) -> DarkroomError:
    failure = report.error or Failure("internal_error", "The engine gave no result.")
    return DarkroomError(failure.message, code=failure.code)
