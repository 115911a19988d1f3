"""The client that blocks."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx
from httpx_sse import connect_sse

from clients.base import ClientBase, Source, Which
from clients.calls import Call, Pause, Send, UploadOptions, events_request
from clients.files import replacing
from clients.follow import Following
from clients.models import Batch, DeadLetter, FilterDocument, Job, Queue, SharedLink, Submitted, WholeDeadLetter

_T = TypeVar("_T")


class Client(ClientBase):
    """A client that blocks: `with Client() as darkroom`, or `darkroom.close()` at the end."""

    def __init__(
        self, url: str | None = None, *, key: str | None = None, timeout: float = 60.0, retry_for: float = 30.0
    ) -> None:
        super().__init__(url, key=key, timeout=timeout, retry_for=retry_for)
        self._http = httpx.Client(**self._options)
        self._store: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        if self._store is not None:
            self._store.close()

    def submit(self, images: Sequence[Source], **options: Unpack[UploadOptions]) -> Submitted:
        """Upload 1 to 64 images in one request; see UploadOptions for what can be asked."""
        return self._drive(self._submit(images, options))

    def job(self, job_id: str) -> Job:
        """The state of one job now. Raises NotFound."""
        return self._drive(self._job(job_id))

    def jobs(self, *, state: str | None = None, batch: str | None = None, page: int = 100) -> Iterator[Job]:
        """All jobs, newest first, fetched `page` at a time."""
        cursor: str | None = None
        while True:
            answer = self._drive(self._page(state, batch, cursor, page))
            yield from answer.jobs
            if (cursor := answer.next) is None:
                return

    def wait(self, job_id: str, *, within: float | None = None) -> Job:
        """The job once it has ended. Raises NotFound, WaitTimedOut after `within` seconds."""
        for job in self.events(job=job_id, within=within):
            if job.terminal:
                return job
        return self.job(job_id)

    def wait_all(self, submitted: Submitted, *, within: float | None = None) -> list[Job]:
        """The jobs of one upload once all have ended, in its order. Raises WaitTimedOut after `within` seconds."""
        wanted = [job.id for job in submitted.jobs]
        ended: dict[str, Job] = {}
        for job in self.events(batch=submitted.batch, within=within):
            if job.terminal:
                ended[job.id] = job
            if all(job_id in ended for job_id in wanted):
                break
        return [ended[job_id] if job_id in ended else self.job(job_id) for job_id in wanted]

    def events(self, *, job: str | None = None, batch: str | None = None, within: float | None = None) -> Iterator[Job]:
        """Each job of a batch (or one job) now and after each change, until all have ended.

        Broken connections are resumed; nothing is told twice. Raises WaitTimedOut after `within` seconds.
        """
        for change in self.changes(job=job, batch=batch, within=within):
            if isinstance(change, Job):
                yield change

    def changes(
        self, *, job: str | None = None, batch: str | None = None, within: float | None = None
    ) -> Iterator[Job | Batch]:
        """The same, and of a batch at its end the Batch itself, once it is complete."""
        request = events_request(job=job, batch=batch)
        following = Following(self.url, within=within, retry_for=self.retry_for)
        while not following.finished:
            broken: httpx.TransportError | None = None
            try:
                yield from self._connection(request, following)
            except httpx.TransportError as error:
                broken = error
            if not following.finished:
                time.sleep(following.pause_after(broken))

    def _connection(self, request: Send, following: Following) -> Iterator[Job | Batch]:
        with connect_sse(
            self._http,
            request.method,
            request.path,
            params=request.params,
            headers=following.headers,
            timeout=following.timeout,
        ) as source:
            if not source.response.is_success:
                following.refused(source.response.status_code, source.response.read())
                return
            for event in source.iter_sse():
                if (change := following.take(event)) is not None:
                    yield change
                if following.finished:
                    return
                following.check_time()

    def result(self, job_id: str) -> bytes:
        """The developed picture. Raises NotDone, NotFound, Expired."""
        return self._drive(self._bytes(job_id, "result"))

    def original(self, job_id: str) -> bytes:
        """The picture as it was uploaded. Raises NotFound, Expired."""
        return self._drive(self._bytes(job_id, "original"))

    def save_result(self, job_id: str, path: Path) -> int:
        """Write the developed picture to a file, whole or not at all; returns its bytes."""
        return self._drive(self._save(job_id, path))

    def share(self, job_id: str, which: Which = "result", *, seconds: int = 3600) -> SharedLink:
        """A link that opens one picture without a key for that many seconds, a week at most. Raises NotFound, Expired.

        Raises InvalidRequest where the service signs no links (DARKROOM_LINK_SECRET_FILE).
        """
        return self._drive(self._share(job_id, which, seconds))

    def batch(self, batch_id: str) -> Batch:
        """How far a batch is. Raises NotFound."""
        return self._drive(self._batch(batch_id))

    def close_batch(self, batch_id: str) -> Batch:
        """Wait for no more jobs than the batch has, whatever was `expected`: some were refused, or are not sent.

        If all have ended it is complete with that. Closing it again changes nothing. Raises NotFound.
        """
        return self._drive(self._close_batch(batch_id))

    def save_archive(self, batch_id: str, path: Path) -> int:
        """Write the results of a batch so far to a ZIP file, whole or not at all; returns its bytes.

        Neither the archive nor a picture is ever whole in memory. Raises NotFound, NotDone when there is no result yet.
        """
        return self._drive(self._archive(batch_id, path))

    def delete(self, job_id: str) -> None:
        """Cancel a live job; delete an ended one with its bytes."""
        self._drive(self._delete(job_id))

    def retry(self, job_id: str) -> None:
        """Start a failed job again: the same job, its next run."""
        self._drive(self._retry(job_id))

    def filters(self) -> list[FilterDocument]:
        """The filters that can be used in a chain now, each with the JSON Schema of its parameters."""
        return (self._drive(self._filters())).filters

    def dead_letters(self) -> Iterator[DeadLetter]:
        """All dead letters, fetched page by page."""
        cursor: str | None = None
        while True:
            answer = self._drive(self._dead_page(cursor))
            yield from answer.dead_letters
            if (cursor := answer.next) is None:
                return

    def dead_letter(self, letter_id: str) -> WholeDeadLetter:
        """One dead letter with the fields of its entry. Raises NotFound."""
        return self._drive(self._dead(letter_id))

    def replay(self, letter_id: str) -> None:
        """Put a dead letter's event back on its stream, as the next run of its job."""
        self._drive(self._replay(letter_id))

    def drop(self, letter_id: str) -> None:
        """Remove a dead letter."""
        self._drive(self._drop(letter_id))

    def queue(self) -> Queue:
        """The operator's view: streams, workers, rates, errors."""
        return self._drive(self._queue())

    def _drive(self, call: Call[_T]) -> _T:
        """Do what a call asks for, until it has its answer."""
        try:
            step = next(call)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = call.send(None)
                    continue
                try:
                    response = self._send(step)
                except httpx.TransportError as error:
                    step = call.throw(error)
                else:
                    step = call.send(response)
        except StopIteration as end:
            answer: _T = end.value
            return answer

    def _send(self, step: Send) -> httpx.Response:
        content = step.body.pieces() if step.body is not None else None
        http = self._at_store(step.path) if step.at_store else self._http
        request = http.build_request(
            step.method, step.path, params=step.params or None, headers=step.headers, content=content
        )
        response = http.send(request, stream=True)
        try:
            if step.into is None or not response.is_success:
                response.read()
                return response
            with replacing(step.into) as file:
                for piece in response.iter_raw():
                    file.write(piece)
            return response
        finally:
            response.close()

    def _at_store(self, address: str) -> httpx.Client:
        """Connections to the object store, made when the service first leads there."""
        if self._store is None:
            self._store = httpx.Client(**self._store_options(address))
        return self._store
