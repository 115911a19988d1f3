"""What `darkroom watch` shows."""

import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from threading import Lock
from typing import Final

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
#: Jobs that are kept as they are.
_KEPT: Final = 1000
#: Seconds that a service which went away meanwhile is waited for.
_PATIENCE: Final = 300.0
#: Seconds between looks at the newest jobs.
_LOOK: Final = 1.0


class Seen:
    """The jobs that were told of: those that changed last as they are, of the others that ended how many there were.

    Watching goes on for as long as somebody likes, so it keeps a number of jobs that does not grow.
    """

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._jobs: dict[str, Job] = {}
        self._ended: Counter[str] = Counter()

    def take(self, job: Job) -> None:
        """Note a job as it is now."""
        self._jobs.pop(job.id, None)
        self._jobs[job.id] = job
        if len(self._jobs) > self._most:
            oldest = next((one for one in self._jobs.values() if one.terminal), next(iter(self._jobs.values())))
            del self._jobs[oldest.id]
            # One under way will be told of again.
            self._ended.update([oldest.state] if oldest.terminal else [])

    @property
    def jobs(self) -> list[Job]:
        """Those that changed last, at most as many as are kept."""
        return list(self._jobs.values())

    @property
    def states(self) -> Counter[str]:
        """How many jobs are in each state."""
        return self._ended + Counter(job.state for job in self.jobs)


def watch(job_id: str | None, *, batch: str | None, url: str | None, as_json: bool) -> int:
    """Follow until all have ended; returns 0 when all are done."""
    if job_id and batch:
        raise WrongUsage("Name a job or a batch, not both.")
    seen = Seen()
    with Client(url, retry_for=0) as client:
        _look(client, job_id, batch)
        client.retry_for = _PATIENCE
        changes = client.events(job=job_id, batch=batch) if job_id or batch else _newest(client)
        if as_json or not Console().is_terminal:
            _write(changes, seen, as_json=as_json)
        else:
            _show(changes, seen, batches=batch is None)
    return 0 if set(seen.states) <= {"done"} else 1


def _look(client: Client, job_id: str | None, batch: str | None) -> None:
    """Say at once that the service is not there, or does not know what is named, before a table is shown."""
    if batch:
        client.batch(batch)
    elif job_id:
        client.job(job_id)
    else:
        next(client.jobs(page=1), None)


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


def _write(changes: Iterator[Job], seen: Seen, *, as_json: bool) -> None:
    for job in changes:
        seen.take(job)
        if as_json:
            write_json(job.document)
        else:
            reason = f" {job.error.code}: {job.error.message}" if job.error else ""
            write_lines([f"{job.state:<10} {job.id} {job.name or job.source or ''}{reason}"])


def _show(changes: Iterator[Job], seen: Seen, *, batches: bool) -> None:
    lock = Lock()
    console = Console()

    def view() -> Group:
        with lock:
            return _view(seen.jobs, seen.states, width=console.width, batches=batches)

    with Live(console=console, get_renderable=view, refresh_per_second=8):
        for job in changes:
            with lock:
                seen.take(job)


def _view(jobs: list[Job], states: Counter[str], *, width: int, batches: bool) -> Group:
    """Those under way first, then the newest, and how many there are in each state."""
    shown = sorted(jobs, key=lambda job: (job.terminal, job.id))
    under_way = [job for job in shown if not job.terminal]
    ended = [job for job in shown if job.terminal][::-1]
    counts = Text()
    for state, count in sorted(states.items()):
        counts.append(f"{count} {state}  ", style=STYLES.get(state, ""))
    return Group(table([*under_way, *ended][:_ROWS], width=width, batches=batches), counts)
