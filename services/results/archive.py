"""All results of a batch as one ZIP, streamed: neither the archive nor more than one picture is ever in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse
from zipstream import ZIP_STORED, ZipStream  # type: ignore[import-untyped] # it ships no types

from services.results.answers import problems
from services.results.context import ContextDep, OwnerDep
from services.results.downloads import EXTENSIONS, file_stem
from shared.blobs import BlobStore
from shared.errors import InvalidRequest, NotDone
from shared.events import Result
from shared.records import JobRecord

router = APIRouter(tags=["batches"])

#: Pictures in one archive at most.
_MOST: Final = 10_000


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
    archive = _archive(context.store, done)
    headers = {
        "Content-Length": str(len(archive)),
        "Content-Disposition": f'attachment; filename="darkroom-{batch.id}.zip"',
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
    stem, extension = file_stem(record), EXTENSIONS.get(result.media_type, ".bin")
    name, number = f"{stem}{extension}", 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} ({number}){extension}"
    taken.add(name.casefold())
    return name
