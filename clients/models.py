"""What the service answers, typed. Members that a newer service adds are ignored."""

from collections.abc import Sequence
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


#: Under this name lies the text that an answer was read from.
_CAME: Final = "_came"


class _Told(msgspec.Struct, frozen=True, dict=True):
    """What keeps the document that it was read from, for those who hand it on."""

    @property
    def document(self) -> dict[str, Any]:
        """The document as the service sent it, with what these types do not know; made up where none was sent."""
        came = self.__dict__.get(_CAME)
        told: dict[str, Any] = msgspec.to_builtins(self) if came is None else msgspec.json.decode(came)
        return told


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


class Job(_Told, frozen=True, kw_only=True):
    """One picture on its way. Sizes are in bytes and pixels, `timings` in milliseconds per step.

    `filter_ms` are the milliseconds of each filter. `width`, `height` and `media_type` are of the developed picture
    once the job is done, of the source before.
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
    filter_ms: list[float] = []
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


class DeadLetter(_Told, frozen=True, kw_only=True):
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
    read = msgspec.json.decode(body, type=kind)
    if isinstance(read, _Told):
        _keep(read, body)
    elif isinstance(read, Page):
        _keep_all(read.jobs, "jobs", body)
    elif isinstance(read, DeadLetterPage):
        _keep_all(read.dead_letters, "dead_letters", body)
    return read


def _keep(told: _Told, came: bytes) -> None:
    # Frozen are the members; this is none, so that it is neither compared nor shown.
    told.__dict__[_CAME] = came


def _keep_all(told: Sequence[_Told], member: str, page: bytes) -> None:
    members = msgspec.json.decode(page, type=dict[str, msgspec.Raw])
    for one, came in zip(told, msgspec.json.decode(members[member], type=list[msgspec.Raw]), strict=True):
        _keep(one, bytes(came))
