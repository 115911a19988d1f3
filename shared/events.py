"""The events on the streams, version 1.

An entry has one field `data` with the event as JSON, and optionally `traceparent` and `tracestate` (W3C Trace
Context). Unknown members are ignored, so that a newer publisher can be read by an older consumer; a member is
never given another meaning, a changed meaning is a new `v`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec

from shared import keys
from shared.errors import InvalidEvent

VERSION: Final = 1

_OWNER = re.compile(keys.OWNER_PATTERN)
#: Far more than anybody replays, and exact in the numbers of a script.
_MOST_RUNS: Final = 1_000_000
_BATCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

#: One filter of a chain: its `name` and its parameters beside it, `{"name": "blur", "size": 9}`.
FilterSpec = dict[str, Any]


class Output(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """How the developed picture is written.

    `format` is one of jpeg, png, webp, avif; none means the source's own format, or png where Darkroom does not
    write that. `quality` is 1 to 100; none means the format's default.
    """

    format: str | None = None
    quality: int | None = None
    #: Whether no sample may change: webp, and png, which never loses any. Not for jpeg and avif.
    lossless: bool = False
    #: Chroma subsampling of a jpeg: 420, 422 or 444; none means 420. Other formats take no notice.
    subsampling: str | None = None
    #: What stays of the source's metadata: none, icc (the colour profile) or all (profile and EXIF). A picture that
    #: nothing is done to (no filters, this output as it is) is its own result, whatever it carries.
    metadata: str = "icc"
    #: first: the first picture of an animation; all: every one, written as webp, png or avif.
    frames: str = "first"


class ImageUploaded(msgspec.Struct, omit_defaults=True, frozen=True, kw_only=True, gc=False):
    """A picture to develop. Only `source` is needed: the key of the picture inside the blob store."""

    source: str
    v: int = VERSION
    job_id: str | None = None
    run: int = 1
    owner: str = "local"
    batch: str | None = None
    #: How many jobs the batch will have in all, when that is known.
    expected: int | None = None
    filters: list[FilterSpec] = []
    output: Output = Output()
    webhook: str | None = None
    #: File name as its owner knows it; shown, never used as a path.
    name: str | None = None
    #: What ingest read from the header, where it did.
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    bytes_in: int | None = None


class Result(msgspec.Struct, omit_defaults=True, frozen=True, kw_only=True, gc=False):
    """The stored picture: its blob key, media type and size in bytes and pixels."""

    key: str
    media_type: str
    bytes: int
    width: int
    height: int


class Failure(msgspec.Struct, frozen=True, gc=False):
    """Why a job failed: a code of `shared.errors` and a message that is safe to show."""

    code: str
    message: str


class ImageProgress(msgspec.Struct, omit_defaults=True, frozen=True, kw_only=True, gc=False):
    """One step on the way of a job, told by the process service.

    `upload` repeats the event that caused it, so that the projection can record jobs that were published straight
    to the stream. `at` is milliseconds since the epoch. `timings` are milliseconds per step, `filter_ms` those of each
    filter of the chain, in its order.
    """

    type: Literal["started", "processed", "failed"]
    job_id: str
    upload: ImageUploaded
    at: int
    v: int = VERSION
    run: int = 1
    attempt: int = 1
    worker: str = ""
    result: Result | None = None
    error: Failure | None = None
    #: Whether the result was already stored and no pixel was touched.
    cached: bool = False
    timings: dict[str, float] = {}
    filter_ms: list[float] = []


_uploaded = msgspec.json.Decoder(ImageUploaded)
_progress = msgspec.json.Decoder(ImageProgress)
_encoder = msgspec.json.Encoder()
_Event = TypeVar("_Event")


def encode(event: msgspec.Struct) -> bytes:
    """The event as JSON, defaults left out."""
    return _encoder.encode(event)


def decode_uploaded(
    fields: Mapping[bytes, bytes], *, partition: int, entry_id: str, bulk: bool = False
) -> ImageUploaded:
    """Read one entry of an upload stream, with its job id and batch filled in.

    Raises InvalidEvent when the entry is not an event of version 1 or names a job of another partition.
    """
    derived = keys.job_of_entry(partition, entry_id, bulk=bulk)
    return _checked(_decode(_uploaded, fields), partition=partition, derived=derived)


def _checked(event: ImageUploaded, *, partition: int, derived: str) -> ImageUploaded:
    job_id = event.job_id or derived
    if not keys.is_job_of(partition, job_id):
        raise InvalidEvent(f"job_id must be '{partition}-' and then 1 to 64 letters, digits or '-'.")
    _check_version(event.v)
    if not _OWNER.fullmatch(event.owner):
        raise InvalidEvent("owner must be 1 to 64 letters, digits, '.', '_' or '-'.")
    if event.batch is not None and not _BATCH.fullmatch(event.batch):
        raise InvalidEvent("batch must be 1 to 128 letters, digits, '.', '_' or '-'.")
    if not is_run(event.run):
        raise InvalidEvent(f"run must be 1 to {_MOST_RUNS}.")
    return event if event.job_id else msgspec.structs.replace(event, job_id=job_id)


def is_run(value: object) -> bool:
    """Whether something is the number of a run: 1 for the first."""
    return type(value) is int and 1 <= value <= _MOST_RUNS


def _check_version(version: int) -> None:
    if version != VERSION:
        raise InvalidEvent(f"Events of version {VERSION} are read here, this one says {version}.")


def decode_progress(fields: Mapping[bytes, bytes], *, partition: int | None = None) -> ImageProgress:
    """Read one entry of a progress stream; with a partition, its job must be one of that partition.

    Raises InvalidEvent.
    """
    event = _decode(_progress, fields)
    _check_version(event.v)
    if partition is None:
        return event
    upload = _checked(event.upload, partition=partition, derived="")
    if not is_run(event.run) or upload.job_id != event.job_id:
        raise InvalidEvent(f"run must be 1 to {_MOST_RUNS}, and job_id that of the upload.")
    return event


def _decode(decoder: msgspec.json.Decoder[_Event], fields: Mapping[bytes, bytes]) -> _Event:
    data = fields.get(b"data")
    if data is None:
        raise InvalidEvent("The entry has no field 'data'.")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"The field 'data' is not an event: {error}") from error
