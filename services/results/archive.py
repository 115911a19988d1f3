"""Results as one ZIP, streamed: neither the archive nor more than one picture is ever in memory.

All of a batch, or those of the jobs that a request names: a table of photos may hold more, or fewer, than one batch.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse
from zipstream import ZIP_STORED, ZipStream  # type: ignore[import-untyped] # it ships no types

from services.results.answers import problems
from services.results.context import ContextDep, OwnerDep
from services.results.downloads import EXTENSIONS, not_done, result_stem
from services.results.reader import Reader
from shared.blobs import BlobStore
from shared.errors import Expired, InvalidParameter, InvalidRequest, NotDone, NotFound, TooManyBytes
from shared.events import Result
from shared.records import JobRecord

router = APIRouter(tags=["batches"])

#: Pictures in one archive at most.
_MOST: Final = 10_000
#: Bytes of a form that names them: an id has 70 letters at most.
_LARGEST_FORM: Final = 1_000_000
_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["job"],
                    "properties": {
                        "job": {
                            "type": "array",
                            "items": {"type": "string", "maxLength": 70},
                            "minItems": 1,
                            "maxItems": _MOST,
                            "description": "Ids of jobs that are done, in the order of the archive.",
                        }
                    },
                },
                "example": {
                    "job": ["0-01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f", "0-01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e10"]
                },
            }
        },
    }
}


@router.get(
    "/v1/batches/{batch_id}/archive",
    response_class=Response,
    responses={
        200: {"description": "The results so far, as a ZIP.", "content": {"application/zip": {}}},
        **problems(NotDone, InvalidRequest),
    },
    summary="All results of a batch",
)
async def get_archive(batch_id: str, context: ContextDep, owner: OwnerDep) -> Response:
    """The results of every job of the batch that is done by now, in the order in which the jobs came."""
    batch = await context.reader.batch(owner, batch_id)
    if batch.total > _MOST:
        raise InvalidRequest(f"An archive holds at most {_MOST} pictures, this batch has {batch.total}.", allowed=_MOST)
    records = await context.reader.jobs(owner, batch.partition, await context.reader.batch_job_ids(batch))
    done = [record for record in records if record is not None and record.state == "done" and record.result]
    if not done:
        raise NotDone("No job of this batch is done yet.")
    return _answer(context.store, done, f"darkroom-{batch.id}.zip")


@router.post(
    "/v1/archives",
    response_class=Response,
    responses={
        200: {"description": "The results, as a ZIP.", "content": {"application/zip": {}}},
        **problems(NotDone, Expired, TooManyBytes),
    },
    openapi_extra=_FORM,
    summary="The results of some jobs",
)
async def post_archive(request: Request, context: ContextDep, owner: OwnerDep) -> Response:
    """The results of exactly the jobs that a form names, of any batches. If one has no result, there is no archive."""
    job_ids = await _named(request)
    by_id = await _records(context.reader, owner, job_ids)
    return _answer(context.store, [_finished(by_id.get(job_id)) for job_id in job_ids], "darkroom.zip")


async def _named(request: Request) -> list[str]:
    """The ids in the form of a request, each once. Read here, so that its size is bounded."""
    form = bytearray()
    async for piece in request.stream():
        form += piece
        if len(form) > _LARGEST_FORM:
            raise TooManyBytes(f"A form that names jobs has at most {_LARGEST_FORM} bytes.", allowed=_LARGEST_FORM)
    try:
        job_ids = parse_qs(form.decode("ascii"), max_num_fields=_MOST).get("job", [])
    except ValueError as error:
        raise InvalidParameter(f"job: name at most {_MOST} jobs, in a form.", parameter="job") from error
    if not job_ids:
        raise InvalidParameter("job: name a job at least, in a form.", parameter="job")
    return list(dict.fromkeys(job_ids))


async def _records(reader: Reader, owner: str, job_ids: Sequence[str]) -> dict[str, JobRecord]:
    """What is known of these jobs, which may lie in several partitions. Raises NotFound for what is no id."""
    by_partition: dict[int, list[str]] = {}
    for job_id in job_ids:
        by_partition.setdefault(reader.partition_of(job_id), []).append(job_id)
    found = [await reader.jobs(owner, partition, some) for partition, some in by_partition.items()]
    return {record.id: record for records in found for record in records if record is not None}


def _finished(record: JobRecord | None) -> JobRecord:
    """The record of a job that has a result. Raises NotFound, Expired or NotDone."""
    if record is None:
        raise NotFound("One of these jobs is not there, or not any more.")
    if record.state == "deleted":
        raise Expired(f"The job {record.id} was deleted.")
    if record.state != "done" or record.result is None:
        raise NotDone(not_done(record), state=record.state)
    return record


def _answer(store: BlobStore, done: list[JobRecord], file_name: str) -> Response:
    archive = _archive(store, done)
    headers = {
        "Content-Length": str(len(archive)),
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Cache-Control": "no-store",
    }
    # The pieces are made in a thread: reading a blob there blocks nobody.
    return StreamingResponse(iter(archive), 200, headers, "application/zip")


def _archive(store: BlobStore, done: list[JobRecord]) -> ZipStream:
    """Pictures do not shrink any further, so they are stored, and the length of the whole is known ahead."""
    archive = ZipStream(compress_type=ZIP_STORED, sized=True)
    taken: set[str] = set()
    for record in done:
        result = record.result
        if result is not None:
            archive.add(_bytes(store, result), _name(record, result, taken), size=result.bytes)
    archive.comment = f"Darkroom, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return archive


def _bytes(store: BlobStore, result: Result) -> Iterator[bytes]:
    """The bytes of one picture, read when its turn comes."""
    yield bytes(store.get(result.key))


def _name(record: JobRecord, result: Result, taken: set[str]) -> str:
    """A name that no other picture of the archive has, whatever the case of its letters."""
    stem, extension = result_stem(record), EXTENSIONS.get(result.media_type, ".bin")
    name, number = f"{stem}{extension}", 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} ({number}){extension}"
    taken.add(name.casefold())
    return name
