"""What the service answers, typed. Members that a newer service adds are ignored."""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from shared.events import Failure, FilterSpec, Output

__all__ = [
    "Accepted",
    "Batch",
    "BatchLinks",
    "DeadLetter",
    "Failure",
    "FilterDocument",
    "Job",
    "Links",
    "Moment",
    "Output",
    "Page",
    "Queue",
    "Rates",
    "SharedLink",
    "State",
    "Stream",
    "Submitted",
    "WholeDeadLetter",
    "Worker",
]

State = Literal["queued", "processing", "done", "failed", "cancelled", "deleted"]

#: The states that a job leaves only by a replay.
TERMINAL: Final = frozenset({"done", "failed", "cancelled", "deleted"})


class Links(msgspec.Struct, frozen=True):
    """Paths at the service, relative to its address."""

    self: str = ""
    result: str = ""
    original: str = ""
    events: str = ""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a job earlier: an attempt began, a run was asked for or ended.

    `code` is of the error that ended the run, or the attempt before this one.
    """

    at: datetime
    run: int
    attempt: int
    state: State
    code: str | None = None
    trace_id: str | None = None
    trace_url: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One picture on its way. Sizes are in bytes and pixels, `timings` in milliseconds per step.

    `width`, `height` and `media_type` are of the developed picture once the job is done, of the source before.
    """

    id: str
    state: State
    run: int = 1
    owner: str = ""
    batch: str | None = None
    source: str | None = None
    name: str | None = None
    filters: list[FilterSpec] = []
    output: Output = Output()
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    attempts: int = 0
    width: int | None = None
    height: int | None = None
    media_type: str | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    result: str | None = None
    error: Failure | None = None
    timings: dict[str, float] = {}
    trace_id: str | None = None
    trace_url: str | None = None
    cached: bool = False
    earlier: list[Moment] = []
    links: Links = Links()

    @property
    def terminal(self) -> bool:
        """Whether the job has ended: done, failed, cancelled or deleted."""
        return self.state in TERMINAL

    @property
    def seconds(self) -> float | None:
        """Seconds from upload to end; none while the job is under way."""
        if self.created is None or self.finished is None:
            return None
        return (self.finished - self.created).total_seconds()


class Accepted(msgspec.Struct, frozen=True):
    """One job as the answer to an upload names it."""

    id: str
    state: State = "queued"
    links: Links = Links()


class Submitted(msgspec.Struct, frozen=True):
    """The answer to an upload: its batch, and one job per image in the order they were given."""

    batch: str
    jobs: list[Accepted]


class BatchLinks(msgspec.Struct, frozen=True):
    """Paths at the service, relative to its address."""

    self: str = ""
    jobs: str = ""
    events: str = ""
    archive: str = ""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch: how many jobs it has, how many of them ended, and how many are in each state.

    `expected` is how many it will have in all, where that was said. It is `complete` once all have ended and as many
    as expected are there.
    """

    id: str
    owner: str = ""
    created: datetime | None = None
    expected: int | None = None
    total: int = 0
    terminal: int = 0
    complete: bool = False
    counts: dict[str, int] = {}
    links: BatchLinks = BatchLinks()


class SharedLink(msgspec.Struct, frozen=True):
    """An address that opens one picture without a key until it expires, or until the job is deleted."""

    url: str
    expires: datetime


class Page(msgspec.Struct, frozen=True):
    """One page of jobs, newest first; `next` is the cursor of the page after it."""

    jobs: list[Job]
    next: str | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event that could not be read or that used up its attempts."""

    id: str
    stream: str = ""
    entry_id: str = ""
    job_id: str | None = None
    owner: str | None = None
    run: int | None = None
    code: str = ""
    message: str = ""
    attempts: int = 0
    worker: str | None = None
    at: datetime | int | None = None
    trace: str | None = None


class WholeDeadLetter(DeadLetter, frozen=True, kw_only=True):
    """The same with the fields of its entry as they came; bytes that are no text are escaped."""

    fields: dict[str, str] = {}


class DeadLetterPage(msgspec.Struct, frozen=True):
    """One page of dead letters; `next` is the cursor of the page after it."""

    dead_letters: list[DeadLetter]
    next: str | None = None


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One stream as its consumer group sees it: entries in all, unread, read and not settled; ages in milliseconds."""

    name: str
    group: str
    length: int = 0
    lag: int = 0
    pending: int = 0
    oldest_ms: int = 0


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One consumer that is alive, a job that it works on, and since when."""

    name: str
    service: str
    state: str
    job: str | None = None
    since: datetime | None = None


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that ended per second, over the last minute."""

    done_per_s: float = 0.0
    failed_per_s: float = 0.0


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's view. `errors` are the failed jobs of the last ten minutes by code."""

    streams: list[Stream]
    workers: list[Worker]
    rates: Rates
    errors: dict[str, int] = {}
    dead_letters: int = 0


class FilterDocument(msgspec.Struct, frozen=True):
    """One filter. `parameters` is a JSON Schema of its parameters (draft 2020-12)."""

    name: str
    summary: str
    parameters: dict[str, Any]


class Catalogue(msgspec.Struct, frozen=True):
    """The filters that can be used in a chain now."""

    filters: list[FilterDocument]


def decode(body: bytes, kind: type[Any]) -> Any:  # noqa: ANN401 - the caller names the type
    """Read an answer's body as a document of one kind."""
    return msgspec.json.decode(body, type=kind)
