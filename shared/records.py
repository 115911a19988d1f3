"""The record of a job in Redis: its fields, how it is read, and the document that users get.

The hash `job:{p}:<id>` holds `state`, `run`, `version`, `owner`, `batch`, `created`, `started`, `finished` (ms since
the epoch), `attempts`, `trace` (32 hexadecimal digits), `code` (of a failed job), `bulk` ("1" for low priority),
`event` as JSON: the progress event that ended the run of a done or failed job, else the upload event; and `past`, what
came before and no other field tells: lines of `run attempt state at code trace`, `-` for what is not there. It is
written by a redelivery (`start.lua`) and a replay (`replay.lua`) alone, and holds its newest 2,000 bytes. A field that
is not there has the value that most jobs have: run 1, no attempt, no trace, not bulk, no past.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from shared.events import ImageProgress, ImageUploaded, Result

State = Literal["queued", "processing", "done", "failed", "cancelled", "deleted"]

LIVE: Final = frozenset({"queued", "processing"})
#: States that a run never leaves. `deleted` is the tombstone of a job, and final for every run.
TERMINAL: Final = frozenset({"done", "failed", "cancelled", "deleted"})

#: States whose `event` is the progress event.
_ENDED_BY_EVENT: Final = frozenset({b"done", b"failed"})

_upload = msgspec.json.Decoder(ImageUploaded)
_progress = msgspec.json.Decoder(ImageProgress)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a job before what its record tells: an attempt began, a run was asked for or ended.

    `at` is milliseconds since the epoch. `code` is of the error that ended a run, or the attempt before this one.
    """

    run: int
    attempt: int
    state: State
    at: int
    code: str | None
    trace: str | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job as it is now. Times are milliseconds since the epoch; 0 means not yet."""

    id: str
    state: State
    run: int
    version: int
    owner: str
    batch: str
    created: int
    started: int
    finished: int
    attempts: int
    trace: str
    bulk: bool
    #: The event that asked for the job; none for a tombstone.
    upload: ImageUploaded | None
    #: The event that ended the run; none while live, when cancelled and for a tombstone.
    progress: ImageProgress | None
    #: Earlier runs, and attempts after the first, in the order of their times.
    past: Sequence[Moment] = ()

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def result(self) -> Result | None:
        return self.progress.result if self.progress else None


def read(job_id: str, fields: Mapping[bytes, bytes]) -> JobRecord | None:
    """The record in the fields of a job hash; none when the hash is empty, that is, not there."""
    state = fields.get(b"state")
    if state is None:
        return None
    event = fields.get(b"event")
    progress = _progress.decode(event) if event and state in _ENDED_BY_EVENT else None
    upload = _upload.decode(event) if event and progress is None else None
    return JobRecord(
        id=job_id,
        state=_state(state),
        run=int(fields.get(b"run", 1)),
        version=int(fields.get(b"version", 0)),
        owner=_text(fields, b"owner"),
        batch=_text(fields, b"batch"),
        created=int(fields.get(b"created", 0)),
        started=int(fields.get(b"started", 0)),
        finished=int(fields.get(b"finished", 0)),
        attempts=max(int(fields.get(b"attempts", 0)), progress.attempt if progress else 0),
        trace=_text(fields, b"trace"),
        bulk=fields.get(b"bulk") == b"1",
        upload=upload or (progress.upload if progress else None),
        progress=progress,
        past=_past(fields[b"past"]) if b"past" in fields else (),
    )


def document(record: JobRecord, *, trace_url: str | None = None) -> dict[str, Any]:
    """The job document of the HTTP interface. In `trace_url`, `{trace_id}` stands for the id of the trace."""
    upload = record.upload or ImageUploaded(source="")
    progress = record.progress
    result = record.result
    link = f"/v1/jobs/{record.id}"
    facts = (result.width, result.height, result.media_type) if result else _facts(upload)
    return {
        "id": record.id,
        "run": record.run,
        "owner": record.owner,
        "batch": record.batch or None,
        "state": record.state,
        "source": upload.source or None,
        "name": upload.name,
        "filters": upload.filters,
        "output": {"format": upload.output.format, "quality": upload.output.quality},
        "created": timestamp(record.created),
        "started": timestamp(record.started),
        "finished": timestamp(record.finished),
        "attempts": record.attempts,
        "width": facts[0],
        "height": facts[1],
        "media_type": facts[2],
        "bytes_in": upload.bytes_in,
        "bytes_out": result.bytes if result else None,
        "result": result.key if result else None,
        "error": {"code": progress.error.code, "message": progress.error.message}
        if progress and progress.error
        else None,
        "timings": progress.timings if progress else {},
        "filter_ms": progress.filter_ms if progress else [],
        "trace_id": record.trace or None,
        "trace_url": _address(trace_url, record.trace),
        "cached": bool(progress and progress.cached),
        "earlier": [_told(moment, trace_url) for moment in record.past],
        "links": {
            "self": link,
            "result": f"{link}/result",
            "original": f"{link}/original",
            "events": f"{link}/events",
        },
    }


def timestamp(milliseconds: int) -> str | None:
    """RFC 3339 in UTC with milliseconds, `2026-11-24T09:30:00.123Z`; none for 0."""
    if not milliseconds:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _past(lines: bytes) -> list[Moment]:
    """The moments in a record, told in order: a run's lines are written when it is over, its later attempts before."""
    told = (line.split(" ") for line in lines.decode().splitlines())
    moments = [
        Moment(int(run), int(attempt), _state(state.encode()), int(at), _given(code), _given(trace))
        for run, attempt, state, at, code, trace in told
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _given(word: str) -> str | None:
    return None if word == "-" else word


def _address(trace_url: str | None, trace: str | None) -> str | None:
    return trace_url.replace("{trace_id}", trace) if trace_url and trace else None


def _told(moment: Moment, trace_url: str | None) -> dict[str, Any]:
    return {
        "at": timestamp(moment.at),
        "run": moment.run,
        "attempt": moment.attempt,
        "state": moment.state,
        "code": moment.code,
        "trace_id": moment.trace,
        "trace_url": _address(trace_url, moment.trace),
    }


def _facts(upload: ImageUploaded) -> tuple[int | None, int | None, str | None]:
    return upload.width, upload.height, upload.media_type


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode()


def _state(value: bytes) -> State:
    state: State = value.decode()  # type: ignore[assignment] # only the scripts write it
    return state
