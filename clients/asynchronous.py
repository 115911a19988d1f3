"""The asynchronous client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx
from httpx_sse import aconnect_sse

from clients.base import ClientBase, Source, Which
from clients.calls import Call, Pause, Send, UploadOptions, events_request
from clients.files import replacing
from clients.follow import Following
from clients.models import Batch, DeadLetter, FilterDocument, Job, Queue, SharedLink, Submitted, WholeDeadLetter

_T = TypeVar("_T")


class AsyncClient(ClientBase):
    """A client for asyncio: `async with AsyncClient() as darkroom`, or `await darkroom.close()` at the end."""

    def __init__(
        self, url: str | None = None, *, key: str | None = None, timeout: float = 60.0, retry_for: float = 30.0
    ) -> None:
        super().__init__(url, key=key, timeout=timeout, retry_for=retry_for)
        self._http = httpx.AsyncClient(**self._options)
        self._store: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        if self._store is not None:
            await self._store.aclose()

    async def submit(self, images: Sequence[Source], **options: Unpack[UploadOptions]) -> Submitted:
        """Upload 1 to 64 images in one request; see UploadOptions for what can be asked."""
        return await self._drive(self._submit(images, options))

    async def job(self, job_id: str) -> Job:
        """The state of one job now. Raises NotFound."""
        return await self._drive(self._job(job_id))

    async def jobs(self, *, state: str | None = None, batch: str | None = None, page: int = 100) -> AsyncIterator[Job]:
        """All jobs, newest first, fetched `page` at a time."""
        cursor: str | None = None
        while True:
            answer = await self._drive(self._page(state, batch, cursor, page))
            for job in answer.jobs:
                yield job
            if (cursor := answer.next) is None:
                return

    async def wait(self, job_id: str, *, within: float | None = None) -> Job:
        """The job once it has ended. Raises NotFound, WaitTimedOut after `within` seconds."""
        async with aclosing(self.events(job=job_id, within=within)) as events:
            async for job in events:
                if job.terminal:
                    return job
        return await self.job(job_id)

    async def wait_all(self, submitted: Submitted, *, within: float | None = None) -> list[Job]:
        """The jobs of one upload once all have ended, in its order. Raises WaitTimedOut after `within` seconds."""
        wanted = [job.id for job in submitted.jobs]
        ended: dict[str, Job] = {}
        async with aclosing(self.events(batch=submitted.batch, within=within)) as events:
            async for job in events:
                if job.terminal:
                    ended[job.id] = job
                if all(job_id in ended for job_id in wanted):
                    break
        return [ended[job_id] if job_id in ended else await self.job(job_id) for job_id in wanted]

    async def events(
        self, *, job: str | None = None, batch: str | None = None, within: float | None = None
    ) -> AsyncGenerator[Job, None]:
        """Each job of a batch (or one job) now and after each change, until all have ended.

        Broken connections are resumed; nothing is told twice. Raises WaitTimedOut after `within` seconds.
        """
        async with aclosing(self.changes(job=job, batch=batch, within=within)) as changes:
            async for change in changes:
                if isinstance(change, Job):
                    yield change

    async def changes(
        self, *, job: str | None = None, batch: str | None = None, within: float | None = None
    ) -> AsyncGenerator[Job | Batch, None]:
        """The same, and of a batch at its end the Batch itself, once it is complete."""
        request = events_request(job=job, batch=batch)
        following = Following(self.url, within=within, retry_for=self.retry_for)
        while not following.finished:
            broken: httpx.TransportError | None = None
            try:
                async with aclosing(self._connection(request, following)) as connection:
                    async for change in connection:
                        yield change
            except httpx.TransportError as error:
                broken = error
            if not following.finished:
                await asyncio.sleep(following.pause_after(broken))

    async def _connection(self, request: Send, following: Following) -> AsyncGenerator[Job | Batch, None]:
        async with aconnect_sse(
            self._http,
            request.method,
            request.path,
            params=request.params,
            headers=following.headers,
            timeout=following.timeout,
        ) as source:
            if not source.response.is_success:
                following.refused(source.response.status_code, await source.response.aread())
                return
            async for event in source.aiter_sse():
                if (change := following.take(event)) is not None:
                    yield change
                if following.finished:
                    return
                following.check_time()

    async def result(self, job_id: str) -> bytes:
        """The developed picture. Raises NotDone, NotFound, Expired."""
        return await self._drive(self._bytes(job_id, "result"))

    async def original(self, job_id: str) -> bytes:
        """The picture as it was uploaded. Raises NotFound, Expired."""
        return await self._drive(self._bytes(job_id, "original"))

    async def save_result(self, job_id: str, path: Path) -> int:
        """Write the developed picture to a file, whole or not at all; returns its bytes."""
        return await self._drive(self._save(job_id, path))

    async def share(self, job_id: str, which: Which = "result", *, seconds: int = 3600) -> SharedLink:
        """A link that opens one picture without a key for that many seconds, a week at most. Raises NotFound, Expired.

        Raises InvalidRequest where the service signs no links (DARKROOM_LINK_SECRET_FILE).
        """
        return await self._drive(self._share(job_id, which, seconds))

    async def batch(self, batch_id: str) -> Batch:
        """How far a batch is. Raises NotFound."""
        return await self._drive(self._batch(batch_id))

    async def close_batch(self, batch_id: str) -> Batch:
        """Wait for no more jobs than the batch has, whatever was `expected`: some were refused, or are not sent.

        If all have ended it is complete with that. Closing it again changes nothing. Raises NotFound.
        """
        return await self._drive(self._close_batch(batch_id))

    async def save_archive(self, batch_id: str, path: Path) -> int:
        """Write the results of a batch so far to a ZIP file, whole or not at all; returns its bytes.

        Neither the archive nor a picture is ever whole in memory. Raises NotFound, NotDone when there is no result yet.
        """
        return await self._drive(self._archive(batch_id, path))

    async def delete(self, job_id: str) -> None:
        """Cancel a live job; delete an ended one with its bytes."""
        await self._drive(self._delete(job_id))

    async def retry(self, job_id: str) -> None:
        """Start a failed job again: the same job, its next run."""
        await self._drive(self._retry(job_id))

    async def filters(self) -> list[FilterDocument]:
        """The filters that can be used in a chain now, each with the JSON Schema of its parameters."""
        return (await self._drive(self._filters())).filters

    async def dead_letters(self) -> AsyncIterator[DeadLetter]:
        """All dead letters, fetched page by page."""
        cursor: str | None = None
        while True:
            answer = await self._drive(self._dead_page(cursor))
            for letter in answer.dead_letters:
                yield letter
            if (cursor := answer.next) is None:
                return

    async def dead_letter(self, letter_id: str) -> WholeDeadLetter:
        """One dead letter with the fields of its entry. Raises NotFound."""
        return await self._drive(self._dead(letter_id))

    async def replay(self, letter_id: str) -> None:
        """Put a dead letter's event back on its stream, as the next run of its job."""
        await self._drive(self._replay(letter_id))

    async def drop(self, letter_id: str) -> None:
        """Remove a dead letter."""
        await self._drive(self._drop(letter_id))

    async def queue(self) -> Queue:
        """The operator's view: streams, workers, rates, errors."""
        return await self._drive(self._queue())

    async def _drive(self, call: Call[_T]) -> _T:
        """Do what a call asks for, until it has its answer."""
        try:
            step = next(call)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = call.send(None)
                    continue
                try:
                    response = await self._send(step)
                except httpx.TransportError as error:
                    step = call.throw(error)
                else:
                    step = call.send(response)
        except StopIteration as end:
            answer: _T = end.value
            return answer

    async def _send(self, step: Send) -> httpx.Response:
        content = step.body.pieces_async() if step.body is not None else None
        http = self._at_store(step.path) if step.at_store else self._http
        request = http.build_request(
            step.method, step.path, params=step.params or None, headers=step.headers, content=content
        )
        response = await http.send(request, stream=True)
        try:
            if step.into is None or not response.is_success:
                await response.aread()
                return response
            with replacing(step.into) as file:
                async for piece in response.aiter_raw():
                    await asyncio.to_thread(file.write, piece)
            return response
        finally:
            await response.aclose()

    def _at_store(self, address: str) -> httpx.AsyncClient:
        """Connections to the object store, made when the service first leads there."""
        if self._store is None:
            self._store = httpx.AsyncClient(**self._store_options(address))
        return self._store
