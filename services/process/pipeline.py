"""The way of one image: a literal list of steps from a request to a report.

Pure: no Redis, no telemetry, no clock but the one that times the steps.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeVar

import cv2
import msgspec

from services.process import codec
from services.process.chain import run_chain, scaled_first
from services.process.containers import Metadata, metadata, upright
from services.process.encoder import Encoded, Recipe, encode_all
from services.process.engine import ENGINE_VERSION
from services.process.filters import canonical, read_chain
from services.process.header import Header, read_header
from services.process.orientation import turn_upright, upright_size
from services.process.output import check_output, written_format
from services.process.registry import Filter, Parameters
from services.process.request import Report, Request, Source, Step
from shared.blobs import BlobStore, blob_key, digest_of, today
from shared.errors import DarkroomError, OutOfMemory
from shared.events import Failure, FilterSpec, Output, Result

_T = TypeVar("_T")
_NO_METADATA: Final = Metadata()
_UNREAD: Final = Header("", 0, 0, 1)


@dataclass(slots=True)
class Development:
    """One image on its way; each step fills in what the next ones need."""

    request: Request
    store: BlobStore
    chain: Sequence[tuple[Filter, Parameters]] = ()
    data: memoryview = field(default_factory=lambda: memoryview(b""))
    source: Source | None = None
    header: Header = _UNREAD
    key: str = ""
    metadata: Metadata = _NO_METADATA
    decoded: codec.Decoded | None = None
    encoded: Encoded | None = None
    result: Result | None = None
    cached: bool = False
    steps: list[Step] = field(default_factory=list)
    filters: list[Step] = field(default_factory=list)


def result_key(source_digest: str, filters: Sequence[FilterSpec], output: Output, owner: str, day: str) -> str:
    """The blob key of a result: the same source, chain, output and engine give the same key within a UTC day.

    Raises UnknownFilter and InvalidParameter.
    """
    recipe = msgspec.json.encode([source_digest, canonical(filters), output, ENGINE_VERSION], order="sorted")
    return blob_key("results", owner, sha256(recipe).hexdigest(), day=day)


def develop(request: Request, store: BlobStore) -> Report:
    """Develop one image. Errors that the image or the store is to blame for are in the report, others are raised."""
    work = Development(request, store)
    try:
        for step in STEPS:
            _timed(work, step)
            if work.result is not None:
                break
    except DarkroomError as error:
        return _failed(work, error)
    return Report(result=work.result, steps=work.steps, filters=work.filters, source=work.source, cached=work.cached)


def load(work: Development) -> None:
    """Fetch the source, unless it is too long, and name it by its content."""
    work.data = work.store.get(work.request.source, check=work.request.limits.check_bytes)
    work.source = Source(sha256=digest_of(work.data), bytes=len(work.data))


def guard(work: Development) -> None:
    """Check everything that can be checked before a pixel is touched."""
    limits, data = work.request.limits, work.data
    limits.check_bytes(len(data))  # it may have grown since it was asked for
    limits.check_filters(len(work.request.filters))
    work.chain = read_chain(work.request.filters)
    work.header = header = read_header(data)
    limits.check_pixels(header.width, header.height)
    check_output(work.request.output)
    source = _known(work.source)
    work.source = msgspec.structs.replace(
        source, media_type=header.media_type, width=header.width, height=header.height
    )
    work.key = result_key(source.sha256, work.request.filters, work.request.output, work.request.owner, today())


def recall(work: Development) -> None:
    """Answer from the store when the very same result is there already."""
    if not work.store.has(work.key):
        return
    data = work.store.get(work.key)
    header = read_header(data)
    work.result = Result(
        key=work.key, media_type=header.media_type, bytes=len(data), width=header.width, height=header.height
    )
    work.cached = True


def decode(work: Development) -> None:
    """File to pixels, turned upright; scaled down on the way where the chain begins with that."""
    header, limits = work.header, work.request.limits
    work.metadata = _kept(work)
    if work.request.output.frames == "all":
        decoded = codec.decode_all(work.data, header, limits)
    else:
        work.chain, at_least = scaled_first(work.chain, upright_size((header.width, header.height), header.orientation))
        stored = upright_size(at_least, header.orientation) if at_least else None
        decoded = codec.decode(work.data, header, limits, stored)
    work.data = memoryview(b"")
    decoded.frames = [turn_upright(frame, header.turn) for frame in decoded.frames]
    work.decoded = decoded


def filters(work: Development) -> None:
    """Run the chain."""
    decoded = _known(work.decoded)
    limits = work.request.limits.of_each(len(decoded.frames))
    for number, frame in enumerate(decoded.frames):
        steps: list[Step] = []
        try:
            decoded.frames[number] = run_chain(frame, work.chain, limits, steps)
        finally:
            work.filters = _joined(work.filters, steps)


def encode(work: Development) -> None:
    """Pixels to a file."""
    output = work.request.output
    recipe = Recipe(written_format(work.header, output), output, work.metadata)
    work.encoded = encode_all(_known(work.decoded), recipe)


def store(work: Development) -> None:
    """Put the result under its key."""
    encoded, picture = _known(work.encoded), _known(work.decoded).frames[0]
    work.store.put(work.key, encoded.data, media_type=encoded.media_type)
    work.result = Result(
        key=work.key,
        media_type=encoded.media_type,
        bytes=len(encoded.data),
        width=picture.width,
        height=picture.height,
    )


STEPS: Final[tuple[Callable[[Development], None], ...]] = (load, guard, recall, decode, filters, encode, store)


def _joined(before: list[Step], steps: list[Step]) -> list[Step]:
    """With several frames a filter runs several times: from its first begin to its last end.

    A frame that failed has fewer steps than the one before it.
    """
    began = before or steps
    again = [Step(a.name, a.start_ns, b.end_ns) for a, b in zip(began, steps, strict=False)]
    return again + began[len(steps) :]


def _kept(work: Development) -> Metadata:
    """The metadata of the source that goes into the result, with its orientation set right."""
    choice = work.request.output.metadata
    if choice == "none":
        return _NO_METADATA
    found = metadata(work.header.format, work.data)
    return Metadata(upright(found.exif) if found.exif and choice == "all" else None, found.icc)


def _known(value: _T | None) -> _T:
    if value is None:
        raise LookupError("a step ran before the one that it needs")
    return value


def _timed(work: Development, step: Callable[[Development], None]) -> None:
    start = time.time_ns()
    try:
        step(work)
    except MemoryError as error:
        raise OutOfMemory("This picture needs more memory than one image may use.") from error
    except cv2.error as error:
        if error.code != cv2.Error.STS_NO_MEM:
            raise
        raise OutOfMemory("This picture needs more memory than one image may use.") from error
    finally:
        work.steps.append(Step(step.__name__, start, time.time_ns()))


def _failed(work: Development, error: DarkroomError) -> Report:
    failure = Failure(code=error.code, message=error.message)
    return Report(error=failure, retryable=error.retryable, steps=work.steps, filters=work.filters, source=work.source)
