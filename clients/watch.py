"""What `darkroom watch` shows."""

import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from clients.display import write_json, write_lines
from clients.errors import WrongUsage
from clients.models import Job
from clients.status import STYLES, table
from clients.synchronous import Client

#: Jobs that the live table shows; the others are counted.
_ROWS: Final = 20
#: Seconds between looks at the newest jobs.
_LOOK: Final = 1.0


def watch(job_id: str | None, *, batch: str | None, url: str | None, as_json: bool) -> int:
    """Follow until all have ended; returns 0 when all are done."""
    if job_id and batch:
        raise WrongUsage("Name a job or a batch, not both.")
    with Client(url) as client:
        changes = client.events(job=job_id, batch=batch) if job_id or batch else _newest(client)
        jobs = _lines(changes, as_json=as_json) if as_json or not Console().is_terminal else _live(changes)
    return 0 if all(job.state == "done" for job in jobs.values()) else 1


def _newest(client: Client) -> Iterator[Job]:
    """Changes of the newest jobs, for ever."""
    seen: dict[str, tuple[str, int]] = {}
    while True:
        jobs = list(islice(client.jobs(page=_ROWS), _ROWS))
        for job in reversed(jobs):
            if seen.get(job.id) != (job.state, job.run):
                yield job
        seen = {job.id: (job.state, job.run) for job in jobs}
        time.sleep(_LOOK)


def _lines(changes: Iterator[Job], *, as_json: bool) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    for job in changes:
        jobs[job.id] = job
        if as_json:
            write_json(msgspec.to_builtins(job))
        else:
            reason = f" {job.error.code}: {job.error.message}" if job.error else ""
            write_lines([f"{job.state:<10} {job.id} {job.name or job.source or ''}{reason}"])
    return jobs


def _live(changes: Iterator[Job]) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    with Live(get_renderable=lambda: _view(jobs.copy()), refresh_per_second=8):
        for job in changes:
            jobs[job.id] = job
    return jobs


def _view(jobs: dict[str, Job]) -> Group:
    """Those under way first, then the newest, and how many there are in each state."""
    shown = sorted(jobs.values(), key=lambda job: (job.terminal, job.id))
    under_way = [job for job in shown if not job.terminal]
    ended = [job for job in shown if job.terminal][::-1]
    counts = Text()
    for state, count in sorted(Counter(job.state for job in shown).items()):
        counts.append(f"{count} {state}  ", style=STYLES.get(state, ""))
    return Group(table([*under_way, *ended][:_ROWS]), counts)
