"""What `darkroom status` shows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

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
#: Columns from which it has room for filters, and for an error beside the rest.
_FILTERS_TOO: Final = 120
_ERRORS_BESIDE: Final = 200
#: Columns of the longest state, of a span of time, and of a name that takes more lines.
_LONGEST_STATE: Final = 10
_AGE: Final = 6
_SHORTEST_NAME: Final = 8
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
            write_json(job.document)
    elif jobs:
        console.print(table(jobs, width=console.width, batches=batch is None))
    errors = Console(stderr=True)
    for line in unknown:
        errors.print(line, highlight=False, markup=False)
    if not jobs and not unknown and not as_json:
        errors.print("There are no jobs.")
    return 1 if unknown else 0


def table(jobs: Sequence[Job], *, width: int, batches: bool = False) -> Table:
    """Jobs as rows of so many columns: where these do not suffice, without their filters and their batches.

    An id or a state that is cut leads nowhere, so names, filters and errors take more lines instead.
    """
    filters, beside, batches = width >= _FILTERS_TOO, width >= _ERRORS_BESIDE, batches and width >= _TWO_IDS
    rows = Table(box=None, pad_edge=False)
    rows.add_column("JOB", overflow="fold", min_width=max([len(job.id) for job in jobs], default=0))
    rows.add_column("STATE", no_wrap=True, min_width=_LONGEST_STATE)
    rows.add_column("NAME", overflow="fold", min_width=_SHORTEST_NAME)
    if filters:
        rows.add_column("FILTERS", overflow="fold")
    rows.add_column("AGE", no_wrap=True, min_width=_AGE)
    rows.add_column("TOOK", no_wrap=True, min_width=_AGE)
    if batches:
        rows.add_column("BATCH", no_wrap=True)
    if beside:
        rows.add_column("", overflow="fold")
    for job in jobs:
        rows.add_row(*_cells(job, filters=filters, batch=batches, beside=beside))
    return rows


def _cells(job: Job, *, filters: bool, batch: bool, beside: bool) -> list[Text]:
    error = Text(f"{job.error.code}: {job.error.message}" if job.error else "", style="red")
    passed = age((datetime.now(UTC) - job.created).total_seconds()) if job.created else ""
    return [
        # Below the id is the only room that most terminals have.
        Text("\n").join([Text(job.id), error]) if error and not beside else Text(job.id),
        Text(job.state, style=STYLES.get(job.state, "")),
        Text(job.name or job.source or job.id),
        *([Text(short_form(job.filters) or "-")] if filters else []),
        Text(passed),
        Text("" if job.seconds is None else f"{job.seconds:.2f} s"),
        *([Text(job.batch or "-")] if batch else []),
        *([error] if beside else []),
    ]


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
