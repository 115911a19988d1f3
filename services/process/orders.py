"""From an entry of an upload stream to an order: what to develop, checked, and under which key it will be stored."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec
from opentelemetry.trace import Span

from services.process.filters import canonical
from services.process.pipeline import result_key
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from shared import events, telemetry
from shared.blobs import digest_in, today
from shared.entries import Entry, Source
from shared.errors import DarkroomError
from shared.events import Failure, FilterSpec, ImageProgress, ImageUploaded, Output, Result

#: Media types whose format is written as well as read; an empty chain leaves such a source as it is.
_WRITTEN: Final = {"image/jpeg": "jpeg", "image/png": "png", "image/webp": "webp", "image/avif": "avif"}
#: Outputs that leave a source of a format as it is.
_UNCHANGED: Final = {written: (Output(), Output(format=written)) for written in _WRITTEN.values()}

#: Fields of a job's record that tell when work on it began: first, and after a takeover.
BEGUN: Final = ("started", "tried")


class Order(msgspec.Struct, frozen=True, gc=False):
    """One job as read from its entry. `parent` is the span that the entry names, invalid when it names none."""

    source: Source
    entry: Entry
    upload: ImageUploaded
    job_id: str
    parent: Span

    @property
    def attempt(self) -> int:
        """1 for the first start."""
        return self.entry.attempts + 1


def read(source: Source, entry: Entry) -> Order:
    """Read one entry. Raises InvalidEvent."""
    upload = events.decode_uploaded(entry.fields, partition=source.partition, entry_id=entry.id, bulk=source.bulk)
    assert upload.job_id is not None  # noqa: S101 - decode_uploaded fills it in
    return Order(source, entry, upload, upload.job_id, telemetry.span_of(entry.fields))


def identity(upload: ImageUploaded) -> Result | None:
    """The result of a job that changes nothing: its source. None when there is work to do or too little is known."""
    if upload.filters or upload.output.quality is not None or digest_in(upload.source) is None:
        return None
    if upload.media_type is None or upload.bytes_in is None or upload.width is None or upload.height is None:
        return None
    written = _WRITTEN.get(upload.media_type)
    if written is None or upload.output not in _UNCHANGED[written]:
        return None
    return Result(
        key=upload.source,
        media_type=upload.media_type,
        bytes=upload.bytes_in,
        width=upload.width,
        height=upload.height,
    )


def expected_key(upload: ImageUploaded) -> str | None:
    """The key that the result will have, when the source is named by its content; none when it is not.

    Raises UnknownFilter and InvalidParameter.
    """
    digest = digest_in(upload.source)
    if digest is None:
        return None
    return _key(digest, msgspec.json.encode(upload.filters), upload.output, upload.owner, today())


def request(order: Order, settings: ProcessSettings) -> Request:
    """What the pool is asked for."""
    upload = order.upload
    return Request(
        job_id=order.job_id,
        source=upload.source,
        owner=upload.owner,
        filters=_one_spelling(msgspec.json.encode(upload.filters)),
        output=upload.output,
        limits=settings.limits,
    )


def last_start(times: Sequence[bytes | None]) -> int:
    """When the last attempt began in ms, from the fields `BEGUN`; 0 when that is not known."""
    # `tried` may be of an earlier run, which began before this one.
    return max(int(at or 0) for at in times)


def started(order: Order, *, worker: str, at: int) -> ImageProgress:
    return ImageProgress(
        type="started",
        job_id=order.job_id,
        upload=order.upload,
        at=at,
        run=order.upload.run,
        attempt=order.attempt,
        worker=worker,
    )


def processed(
    order: Order, result: Result, *, worker: str, at: int, cached: bool, report: Report | None = None
) -> ImageProgress:
    """The event of a done job; facts of the source that the report found complete the upload."""
    return ImageProgress(
        type="processed",
        job_id=order.job_id,
        upload=_completed(order.upload, report),
        at=at,
        run=order.upload.run,
        attempt=order.attempt,
        worker=worker,
        result=result,
        cached=cached,
        timings=_timings(report),
        filter_ms=_filter_ms(report),
    )


def failed(order: Order, error: Failure, *, worker: str, at: int, report: Report | None = None) -> ImageProgress:
    return ImageProgress(
        type="failed",
        job_id=order.job_id,
        upload=_completed(order.upload, report),
        at=at,
        run=order.upload.run,
        attempt=order.attempt,
        worker=worker,
        error=error,
        timings=_timings(report),
        filter_ms=_filter_ms(report),
    )


def failure_of(error: DarkroomError) -> Failure:
    return Failure(code=error.code, message=error.message)


@lru_cache(maxsize=4096)
def _key(digest: str, filters: bytes, output: Output, owner: str, day: str) -> str:
    return result_key(digest, msgspec.json.decode(filters, type=list[FilterSpec]), output, owner, day)


@lru_cache(maxsize=4096)
def _one_spelling(filters: bytes) -> list[FilterSpec]:
    """The canonical chain, so that equal work is seen as the same; one that is wrong is left to the child to refuse."""
    chain = msgspec.json.decode(filters, type=list[FilterSpec])
    try:
        return canonical(chain)
    except DarkroomError:
        return chain


def _completed(upload: ImageUploaded, report: Report | None) -> ImageUploaded:
    if report is None or report.source is None:
        return upload
    found = report.source
    return msgspec.structs.replace(
        upload,
        bytes_in=found.bytes,
        media_type=found.media_type or upload.media_type,
        width=found.width or upload.width,
        height=found.height or upload.height,
    )


def _timings(report: Report | None) -> dict[str, float]:
    return {step.name: round(step.milliseconds, 3) for step in report.steps} if report is not None else {}


def _filter_ms(report: Report | None) -> list[float]:
    """Of filters that ran in one pass the first has the time of all, and the others none."""
    if report is None:
        return []
    steps = report.filters
    begun = [None, *(step.start_ns for step in steps)]
    return [
        0.0 if step.start_ns == before else round(step.milliseconds, 3)
        for before, step in zip(begun, steps, strict=False)
    ]
