"""Downloads: the bytes of a result or of an original, whole or in part."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from services.results.answers import problems
from services.results.context import Context, ContextDep, HolderDep
from services.results.ranges import Span, Unsatisfiable, matches, parse_range
from shared import keys
from shared.blobs import Blob, own_digest
from shared.errors import Expired, NotDone
from shared.records import JobRecord

router = APIRouter(tags=["downloads"])

#: The media types that are sent as they are, with the ending of their file names. Anything else that a publisher may
#: have claimed is sent as plain bytes, to be saved and never shown.
EXTENSIONS: Final[Mapping[str, str]] = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/gif": ".gif",
    "image/tiff": ".tif",
    "image/bmp": ".bmp",
}
_OPAQUE: Final = "application/octet-stream"
#: Longest stem of a file name that is offered, in characters.
_LONGEST_STEM: Final = 100

#: Seconds that an address at the store is good for: enough to begin a download.
_PRESIGNED: Final = 300
_OK: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The bytes.", "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The part that Range asks for.", "content": {"image/*": {}}},
    304: {"description": "Unchanged: If-None-Match names the entity tag."},
    307: {"description": "Where presigned downloads are on: the address of bytes that Darkroom stored itself."},
    416: {"description": "The range lies outside of the image."},
}


@dataclass(frozen=True, slots=True)
class Download:
    """One object and how it is offered."""

    blob: Blob
    etag: str
    media_type: str
    file_name: str


@router.head("/v1/jobs/{job_id}/result", include_in_schema=False)
@router.get(
    "/v1/jobs/{job_id}/result",
    response_class=Response,
    responses={**_OK, **problems(NotDone, Expired)},
    summary="The developed picture",
)
async def result(job_id: str, request: Request, context: ContextDep, owner: HolderDep) -> Response:
    """The bytes of the result. They never change, so they may be kept."""
    record = await context.reader.named(owner, job_id)
    if record.state == "deleted":
        raise Expired("This job was deleted.")
    if record.state != "done" or record.result is None:
        raise NotDone(not_done(record), state=record.state)
    name = f"{result_stem(record)}{EXTENSIONS.get(record.result.media_type, '.bin')}"
    return await _answer(context, request, record.result.key, record.result.media_type, name)


@router.head("/v1/jobs/{job_id}/original", include_in_schema=False)
@router.get(
    "/v1/jobs/{job_id}/original",
    response_class=Response,
    responses={**_OK, **problems(Expired)},
    summary="The picture as it came",
)
async def original(job_id: str, request: Request, context: ContextDep, owner: HolderDep) -> Response:
    """The bytes of the source."""
    record = await context.reader.named(owner, job_id)
    if record.state == "deleted" or record.upload is None:
        raise Expired("This job was deleted.")
    media_type = record.upload.media_type or _OPAQUE
    name = f"{file_stem(record)}{EXTENSIONS.get(media_type, '.bin')}"
    return await _answer(context, request, record.upload.source, media_type, name)


async def _answer(context: Context, request: Request, key: str, media_type: str, name: str) -> Response:
    blob = await context.store.head_async(key)
    if blob is None:
        # An identical request is to develop it anew, not to be answered by the facts of what is gone.
        await context.redis.delete(keys.cache(key))
        raise Expired("The bytes of this job are no longer kept.")
    digest = own_digest(key)
    etag = f'"{digest or blob.etag.strip(chr(34))}"'
    known = media_type if media_type in EXTENSIONS else _OPAQUE
    download = Download(blob, etag, known, name)
    # What is not named by its content may be replaced by whoever put it there.
    caching = f"private, max-age={context.settings.retention}, immutable" if digest else "private, no-cache"
    headers = _headers(download, caching)
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    # Who put an object to the store also chose the type that the store gives it, a page for instance.
    elsewhere = digest and context.settings.presigned_downloads and context.store.can_presign
    if elsewhere and request.method == "GET" and not _is_of_our_page(request):
        return await _sent_elsewhere(context, key)
    return _send(context, request, download, headers)


def _is_of_our_page(request: Request) -> bool:
    """Whether a page of this origin shows or saves the picture: its policy lets nothing come from another one.

    Browsers tell by Sec-Fetch-Site where the connection is safe, else by Referer, which our pages ask for.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("referer", "")).netloc == request.headers.get("host")


async def _sent_elsewhere(context: Context, key: str) -> Response:
    """The bytes come from the store itself. A method that is kept, an answer that nobody keeps: the address expires."""
    url = await context.store.presign_async(key, _PRESIGNED)
    return Response(status_code=307, headers={"Location": url, "Cache-Control": "no-store"})


def _send(context: Context, request: Request, download: Download, headers: dict[str, str]) -> Response:
    size = download.blob.size
    try:
        span = parse_range(request.headers.get("range"), size) if _range_counts(request, download.etag) else None
    except Unsatisfiable:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    status = 200
    if span is None:
        span = Span(0, size)
    else:
        status = 206
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    headers["Content-Length"] = str(span.end - span.start)
    if request.method == "HEAD" or span.start == span.end:
        return Response(status_code=status, headers=headers, media_type=download.media_type)
    body = context.store.stream(download.blob.key, start=span.start, end=span.end)
    return StreamingResponse(body, status, headers, download.media_type)


def _range_counts(request: Request, etag: str) -> bool:
    """With If-Range, a part is only wanted of the object that the client has the rest of."""
    condition = request.headers.get("if-range")
    return request.method == "GET" and (condition is None or condition.strip() == etag)


def _headers(download: Download, caching: str) -> dict[str, str]:
    kind = "attachment" if download.media_type == _OPAQUE else "inline"
    quoted = quote(download.file_name, safe="")
    ascii_name = download.file_name.encode("ascii", "replace").decode().replace("?", "_")
    return {
        "ETag": download.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": caching,
        "Content-Disposition": f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{quoted}",
        # What strangers upload must never run as a page of ours.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        # Nor be shown, or measured, by a page of somebody else.
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def file_stem(record: JobRecord) -> str:
    """A file name without its ending that is safe on every system: the user's own, or the job id."""
    name = (record.upload.name if record.upload else None) or ""
    stem = PurePosixPath(name.replace("\\", "/")).name
    stem = stem.rsplit(".", 1)[0] if "." in stem.lstrip(".") else stem
    kept = "".join(character if character.isalnum() or character in " ._-()" else "_" for character in stem)
    return kept.strip(" .")[:_LONGEST_STEM] or record.id


def result_stem(record: JobRecord) -> str:
    """That of the developed picture, which tells its filters, so that it does not take the name of its original."""
    filters = record.upload.filters if record.upload else []
    return "-".join([file_stem(record), *(spec["name"] for spec in filters)])[: 2 * _LONGEST_STEM]


def not_done(record: JobRecord) -> str:
    """Why a job has no result, in words."""
    if record.progress is not None and record.progress.error is not None:
        return f"This job failed and has no result: {record.progress.error.message}"
    return f"This job has no result, it is {record.state}."
