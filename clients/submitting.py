"""Uploading many pictures in parallel, following them and fetching what becomes of them.

Memory stays bounded: bodies are read from disk while they are sent, and a few requests are under way at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from clients.asynchronous import AsyncClient
from clients.calls import UploadOptions
from clients.errors import Unreachable, code_of
from clients.items import Item, ItemState
from clients.journal import Journal
from clients.models import Job
from clients.multipart import Image
from clients.outputs import format_of
from shared.errors import DarkroomError, Expired, NotFound

#: Images and bytes in one request: enough to spare round trips, few enough to start work early.
MOST_IMAGES: Final = 64
MOST_BYTES: Final = 16 * 1024 * 1024
#: Errors that concern one image, not the request: its neighbours are sent again without it.
_OF_ONE_IMAGE: Final = frozenset(
    {"unsupported_media", "corrupt_image", "too_many_bytes", "too_many_pixels", "invalid_request", "unreadable"}
    # Of a picture that the service fetches.
    | {"source_not_found", "timed_out"}
)


@dataclass(frozen=True, slots=True)
class Task:
    """What to do with the pictures. `save` fetches one result and tells where it went; none when nobody wants it."""

    options: UploadOptions
    wait: bool
    parallel: int
    save: Callable[[Item], Awaitable[str]] | None


class Submitting:
    """One command's uploads; `changed` is called with each item that changed."""

    def __init__(self, client: AsyncClient, journal: Journal, task: Task, changed: Callable[[Item], None]) -> None:
        self._client = client
        self._journal = journal
        self._task = task
        self._changed = changed
        self._by_id: dict[str, Item] = {}
        #: Jobs that were heard of before the answer that names them.
        self._early: dict[str, Job] = {}
        self._accepted = asyncio.Event()
        self._quiet = asyncio.Event()
        self._uploaded = False
        #: Whether the batch got fewer jobs than it was announced with.
        self._are_fewer = False
        self._left = 0
        self._saving = asyncio.Semaphore(task.parallel)

    async def run(self, items: Sequence[Item]) -> None:
        """Upload, and when it is asked for wait until all have ended.

        Raises Unreachable, and the service's error when it refuses more than single images.
        """
        if not items:
            # Not one of the files is a picture, which was told when they were found.
            return
        self._left = len(items)
        await self._check_journal()
        requests = iter(list(_requests(items)))
        async with asyncio.TaskGroup() as group:
            self._group = group
            follower = group.create_task(self._follow()) if self._task.wait else None
            async with asyncio.TaskGroup() as uploading:
                for _ in range(self._task.parallel):
                    uploading.create_task(self._upload_some(requests, expected=len(items)))
            if self._are_fewer and self._journal.any_job() is not None:
                # Nobody should wait for what was refused: who watches the batch, and its webhook.
                await self._client.close_batch(self._journal.batch)
            self._uploaded = True
            self._accepted.set()
            if follower is not None:
                await self._quiet.wait()
                follower.cancel()

    async def _check_journal(self) -> None:
        """Forget an earlier run that the service does not know, because its data is another."""
        known = self._journal.any_job()
        if known is None:
            return
        try:
            await self._client.job(known)
        except (NotFound, Expired):
            self._journal.restart()

    async def _upload_some(self, requests: Iterator[tuple[str, list[Item]]], *, expected: int) -> None:
        for name, items in requests:
            await self._upload(name, items, expected)

    async def _upload(self, name: str, items: list[Item], expected: int) -> None:
        for item in items:
            self._set(item, "uploading")
        try:
            job_ids = self._journal.jobs_of(name) or await self._send(name, items, expected)
        except Unreachable:
            raise
        except (DarkroomError, OSError) as error:
            await self._refused(items, expected, error)
            return
        for item, job_id in zip(items, job_ids, strict=True):
            item.job_id, item.batch = job_id, self._journal.batch
            self._by_id[job_id] = item
            self._set(item, "queued")
            if (job := self._early.pop(job_id, None)) is not None:
                self._heard(job)
        self._accepted.set()

    async def _send(self, name: str, items: list[Item], expected: int) -> list[str]:
        options: UploadOptions = {
            **self._task.options,
            "batch": self._journal.batch,
            "expected": expected,
            "idempotency_key": self._journal.key(name),
        }
        if _is_fetched(items[0]):
            answer = await self._client.submit([], **_fetched(items[0], options))
        else:
            answer = await self._client.submit([_image(item) for item in items], **options)
        job_ids = [job.id for job in answer.jobs]
        self._journal.accepted(name, job_ids)
        return job_ids

    async def _refused(self, items: list[Item], expected: int, error: DarkroomError | OSError) -> None:
        code = code_of(error) if isinstance(error, DarkroomError) else "unreadable"
        # An address that the service may not fetch is the picture's own fault, too.
        wrong_address = isinstance(error, DarkroomError) and error.details.get("parameter") == "url"
        if code not in _OF_ONE_IMAGE and not wrong_address:
            raise error
        if len(items) > 1:
            for item in items:
                await self._upload(f"alone-{item.index}", [item], expected)
            return
        self._are_fewer = True
        for item in items:
            # The line names the file already.
            item.fail(code, str(error).removeprefix(f"Image 1 ({_image(item).name}): "))
            self._end(item)

    async def _follow(self) -> None:
        """Hear of the batch's changes until all items have ended."""
        await self._accepted.wait()
        while True:
            self._accepted.clear()
            if self._by_id:
                async with aclosing(self._client.events(batch=self._journal.batch)) as events:
                    async for job in events:
                        self._heard(job)
            # The service knows of no more jobs: either more uploads follow, or something was missed.
            if self._uploaded:
                await self._ask_for_missing()
                return
            await self._accepted.wait()

    async def _ask_for_missing(self) -> None:
        for job_id, item in list(self._by_id.items()):
            if item.settled:
                continue
            try:
                self._heard(await self._client.wait(job_id))
            except DarkroomError as error:
                item.settled = True
                item.fail(code_of(error), error.message)
                self._end(item)

    def _heard(self, job: Job) -> None:
        item = self._by_id.get(job.id)
        if item is None:
            self._early[job.id] = job
            return
        if item.settled:
            return
        item.job = job
        if not job.terminal:
            self._set(item, "processing" if job.state == "processing" else "queued")
            return
        item.settled = True
        if job.state == "done" and self._task.save is not None:
            self._set(item, "saving")
            self._group.create_task(self._save(item, self._task.save))
            return
        if job.error is not None:
            item.error = {"code": job.error.code, "message": job.error.message}
        item.state = job.state
        self._end(item)

    async def _save(self, item: Item, save: Callable[[Item], Awaitable[str]]) -> None:
        async with self._saving:
            try:
                item.output = await save(item)
                item.state = "done"
            except Unreachable:
                raise
            except DarkroomError as error:
                item.fail(code_of(error), error.message)
            except OSError as error:
                item.fail("not_saved", str(error))
        self._end(item)

    def _set(self, item: Item, state: ItemState) -> None:
        if item.state != state:
            item.state = state
            self._changed(item)

    def _end(self, item: Item) -> None:
        self._left -= 1
        self._changed(item)
        if not self._left:
            self._quiet.set()


def _requests(items: Sequence[Item]) -> Iterator[tuple[str, list[Item]]]:
    """Requests of up to MOST_IMAGES images and MOST_BYTES bytes, each with a name that is the same next time.

    A picture that the service fetches has a request of its own.
    """
    chunk: list[Item] = []
    size = start = 0
    for index, item in enumerate(items):
        one = _size(item)
        alone = _is_fetched(item) or (bool(chunk) and _is_fetched(chunk[-1]))
        if chunk and (alone or len(chunk) == MOST_IMAGES or size + one > MOST_BYTES):
            yield f"{start}-{len(chunk)}", chunk
            chunk, size, start = [], 0, index
        chunk.append(item)
        size += one
    if chunk:
        yield f"{start}-{len(chunk)}", chunk


def _is_fetched(item: Item) -> bool:
    return item.input is not None and item.input.url is not None


def _fetched(item: Item, options: UploadOptions) -> UploadOptions:
    """What asks for a picture that the service fetches: in the format that its file is named for, whatever comes."""
    named = format_of(item.path) if item.path is not None else None
    url = item.input.url if item.input is not None else None
    return {**options, "url": url, "format": options.get("format") or named}


def _size(item: Item) -> int:
    try:
        return _image(item).size
    except OSError:
        return 0  # It is refused with its reason when it is read.


def _image(item: Item) -> Image:
    if item.input is None:
        raise ValueError(f"{item.shown} was refused and cannot be sent.")
    return item.input.image
