"""The documents that the results service answers with, as OpenAPI shows them."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.results import examples

JobState = Literal["queued", "processing", "done", "failed", "cancelled"]


def _like(example: dict[str, Any]) -> ConfigDict:
    """What `/docs` shows of a document, beside its fields."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OutputDocument(_Document):
    format: str | None = Field(description="jpeg, png, webp or avif; null: the format of the source.")
    quality: int | None = Field(description="1 to 100; null: the default of the format.")


class ErrorDocument(_Document):
    code: str
    message: str


class JobLinks(_Document):
    self: str
    result: str
    original: str
    events: str


class MomentDocument(_Document):
    """Something that happened to a job before what the rest of its document tells."""

    at: datetime
    run: int
    attempt: int = Field(description="Which start it was of that run, or how many there were when it ended.")
    state: JobState = Field(description="queued: the run was asked for. processing: the attempt began.")
    code: str | None = Field(description="The error that ended the run, or the attempt before this one.")
    trace_id: str | None
    trace_url: str | None


class JobDocument(_Document):
    """One job as it is now."""

    model_config = _like(examples.JOB)

    id: str
    run: int = Field(description="Raised by each replay.")
    owner: str
    batch: str | None
    state: Literal["queued", "processing", "done", "failed", "cancelled", "deleted"]
    source: str | None = Field(description="Blob key of the original.")
    name: str | None = Field(description="File name as its owner knows it.")
    filters: list[dict[str, Any]]
    output: OutputDocument
    created: datetime
    started: datetime | None
    finished: datetime | None
    attempts: int = Field(description="How often work on it was started.")
    width: int | None = Field(description="Pixels; of the result when done, else of the source.")
    height: int | None = Field(description="Pixels; of the result when done, else of the source.")
    media_type: str | None = Field(description="Of the result when done, else of the source.")
    bytes_in: int | None
    bytes_out: int | None
    result: str | None = Field(description="Blob key of the result.")
    error: ErrorDocument | None
    timings: dict[str, float] = Field(description="Milliseconds per step.")
    filter_ms: list[float] = Field(
        description="Milliseconds of each filter that ran, in the order of the chain. Of those that ran in one pass "
        "the first has the time of all, the others have 0."
    )
    trace_id: str | None
    trace_url: str | None
    cached: bool = Field(description="Whether the result was already stored.")
    earlier: list[MomentDocument] = Field(
        description="Earlier runs, and attempts after the first, in order; the last twenty or so."
    )
    links: JobLinks


class JobPage(_Document):
    model_config = _like({"jobs": [examples.JOB], "next": None})

    jobs: list[JobDocument]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class SharedLink(_Document):
    """An address that opens one picture without a key."""

    model_config = _like(examples.LINK)

    url: str = Field(description="Path and query on this origin.")
    expires: datetime


class BatchLinks(_Document):
    self: str
    jobs: str
    events: str
    archive: str


class BatchDocument(_Document):
    """One batch as it is now."""

    model_config = _like(examples.BATCH)

    id: str
    owner: str
    created: datetime | None
    expected: int | None = Field(description="How many jobs it will have in all, when that is known.")
    total: int = Field(description="Jobs so far.")
    terminal: int = Field(description="Jobs that ended.")
    complete: bool = Field(description="Whether all jobs ended and all that are expected are there.")
    counts: dict[str, int] = Field(description="Jobs by state.")
    links: BatchLinks


class DeadLetterDocument(_Document):
    """An event that could not be read, or that used up its attempts."""

    id: str
    stream: str
    entry_id: str
    job_id: str | None = Field(description="The job whose event it is; null when nobody could read that.")
    owner: str | None = Field(description="Whose it is; null when nobody could read that: all operators see it then.")
    run: int
    code: str
    message: str
    attempts: int
    worker: str
    at: datetime | None
    trace: str | None = Field(description="Trace id of the run that ended here.")


class WholeDeadLetter(DeadLetterDocument):
    model_config = _like(examples.WHOLE_LETTER)

    fields: dict[str, str] = Field(description="The fields of the entry as they came.")


class DeadLetterPage(_Document):
    model_config = _like({"dead_letters": [examples.LETTER], "next": None})

    dead_letters: list[DeadLetterDocument]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class Replayed(_Document):
    """What a replay put back."""

    model_config = _like(examples.REPLAYED)

    id: str
    job_id: str | None = Field(
        description="The job that runs: a new one where the event is no JSON object; null for what is no upload."
    )


class ReplayedMany(_Document):
    model_config = _like({"replayed": [examples.REPLAYED], "remaining": 0, "next": None})

    replayed: list[Replayed]
    remaining: int = Field(description="Dead letters of yours that are still there.")
    next: str | None = Field(description="The cursor of where to go on; null once all were looked at.")


class StreamDocument(_Document):
    """One stream as its consumer group sees it."""

    name: str
    group: str
    length: int
    lag: int = Field(description="Entries that nobody read yet.")
    pending: int = Field(description="Entries read and not acknowledged.")
    oldest_ms: int = Field(description="Age of the oldest of both in milliseconds; 0 when there is none.")


class WorkDocument(_Document):
    """One entry that a worker has read and not settled."""

    job: str | None = Field(description="The job, if it is yours.")
    since: datetime | None = Field(description="Since when a child is at it; null while it waits for one.")
    attempt: int = Field(description="Which start it is of its run.")


class WorkerDocument(_Document):
    """One consumer that is alive: a process, whose children work side by side."""

    name: str
    service: str
    state: Literal["idle", "processing"]
    job: str | None = Field(description="A job of yours that it works on.")
    since: datetime | None = Field(description="Since when it works on that.")
    pending: int = Field(description="Entries that it has read and not settled.")
    work: list[WorkDocument] = Field(description="The first sixteen of them, those begun first; process alone.")


class Rates(_Document):
    done_per_s: float
    failed_per_s: float


class History(_Document):
    """How many jobs ended in each span of the last quarter of an hour, oldest first; the last span is not over yet."""

    span_s: int = Field(description="Seconds of one span.")
    done: list[int]
    failed: list[int]


class QueueDocument(_Document):
    """The operator's view of what waits, works and went wrong."""

    model_config = _like(examples.QUEUE)

    streams: list[StreamDocument]
    workers: list[WorkerDocument]
    rates: Rates = Field(description="Over the last minute.")
    history: History
    errors: dict[str, int] = Field(description="Failed jobs of the last ten minutes by code.")
    dead_letters: int


#: An empty parameter of a query is one that was not given.
Absent: Final = BeforeValidator(lambda value: value or None)
Short = Annotated[str, Field(max_length=256)]
Limit = Annotated[int, Field(ge=1, le=200)]
