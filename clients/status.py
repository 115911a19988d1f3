"""What `darkroom status` shows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients.display import write_json
from clients.models import Job
from clients.synchronous import Client
from shared.chain import short_form
from shared.errors import Expired, NotFound

#: Columns of a table in a pipe; lines that end earlier are not padded.
_WIDE: Final = 400
#: Columns from which a line has room for a second id of 40 letters.
_TWO_IDS: Final = 140
STYLES: Final = {"done": "green", "failed": "red", "cancelled": "yellow", "processing": "cyan", "queued": "dim"}


def show(
    job_ids: Sequence[str], *, batch: str | None, state: str | None, limit: int, url: str | None, as_json: bool
) -> int:
    """Show jobs as a table or as JSON lines; returns 1 when a job that was named is not known."""
    console = wide_console()
    jobs: list[Job] = []
    unknown: list[str] = []
    with Client(url, retry_for=0) as client:
        if not job_ids:
            jobs = list(islice(client.jobs(state=state, batch=batch, page=min(limit, 100)), limit))
        for job_id in job_ids:
            try:
                jobs.append(client.job(job_id))
            except (NotFound, Expired) as error:
                unknown.append(f"{job_id}: {error.message}")
    if as_json:
        for job in jobs:
            write_json(msgspec.to_builtins(job))
    elif jobs:
        console.print(table(jobs, batches=batch is None and fits_batches(console)))
    errors = Console(stderr=True)
    for line in unknown:
        errors.print(line, highlight=False, markup=False)
    if not jobs and not unknown and not as_json:
        errors.print("There are no jobs.")
    return 1 if unknown else 0


def table(jobs: Sequence[Job], *, batches: bool = False) -> Table:
    """Jobs as rows, with their batches where wanted."""
    rows = Table(box=None, pad_edge=False)
    for name in ("JOB", "STATE", "NAME", "FILTERS", "AGE", "TOOK", *(["BATCH"] if batches else [])):
        rows.add_column(name, no_wrap=True)
    # An id that is cut leads nowhere, so a long error takes more lines instead.
    rows.add_column("")
    now = datetime.now(UTC)
    for job in jobs:
        took = "" if job.seconds is None else f"{job.seconds:.2f} s"
        rows.add_row(
            job.id,
            Text(job.state, style=STYLES.get(job.state, "")),
            Text(job.name or job.source or job.id),
            Text(short_form(job.filters) or "-"),
            age((now - job.created).total_seconds()) if job.created else "",
            took,
            *([Text(job.batch or "-")] if batches else []),
            Text(f"{job.error.code}: {job.error.message}" if job.error else "", style="red"),
        )
    return rows


def fits_batches(console: Console) -> bool:
    """Whether a line has room for two ids."""
    return console.width >= _TWO_IDS


def wide_console() -> Console:
    """Standard output: as wide as the terminal, or so wide in a pipe that no cell is cut."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def age(seconds: float) -> str:
    """A span of time in one unit: `12 s`, `5 min`, `3 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
