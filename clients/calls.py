"""The calls of the HTTP API, written once for both clients.

A call is a generator: it yields what should happen next (send a request, pause for some seconds), is sent the
response, and returns its answer. `clients.api` drives it, once with awaits and once without.
"""

import random
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from itertools import count
from pathlib import Path
from typing import Final, TypeAlias, TypedDict, TypeVar

import httpx
import msgspec

from clients.errors import Unreachable, from_problem
from clients.models import Job, decode
from clients.multipart import Body, Image
from shared.errors import Expired
from shared.events import FilterSpec

#: Statuses that say: nothing was done, and the same request can succeed later.
LATER: Final = frozenset({429, 503})
#: Statuses of a gateway that does not know whether anything was done.
UNKNOWN: Final = frozenset({502, 504})
#: Seconds before the second try of a call that broke without advice from the service; doubled for each further one.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0
#: Seconds that 'come back later' is waited out even by a call that otherwise tries once.
_COURTESY: Final = 10.0


@dataclass(frozen=True, slots=True)
class Send:
    """One request.

    `repeatable` says that sending it twice has the effect of once. With `into`, the answer's body is written there.
    With `led_away` a 307 is an answer, too: it names the bytes at the object store. `at_store` is a request that goes
    there, its `path` a whole address: the API key stays behind.
    """

    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Body | None = None
    repeatable: bool = True
    into: Path | None = None
    led_away: bool = False
    at_store: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to do for some seconds."""

    seconds: float


_T = TypeVar("_T")
Call: TypeAlias = Generator[Send | Pause, "httpx.Response | None", _T]


def answered(request: Send, *, url: str, retry_for: float) -> Call[httpx.Response]:
    """Send until there is an answer that is not 'later', for at most `retry_for` seconds.

    Retry-After is honoured. Raises the service's error for every other refusal, Unreachable when nothing answered.
    """
    started = time.monotonic()
    attempt = 0
    while True:
        attempt += 1
        try:
            response = yield request
        except httpx.TransportError as error:
            if not _may_repeat(request, error) or not (pause := _pause(attempt, None, started + retry_for)):
                raise Unreachable(url, reason_of(error)) from error
            yield Pause(pause)
            continue
        assert response is not None  # noqa: S101 - a driver answers every Send with a response
        if response.is_success or (request.led_away and response.status_code == httpx.codes.TEMPORARY_REDIRECT):
            return response
        later = response.status_code in LATER or (response.status_code in UNKNOWN and request.repeatable)
        if not later or not (pause := _pause(attempt, response, started + max(retry_for, _COURTESY))):
            raise from_problem(response.status_code, response.content)
        yield Pause(pause)


def document(request: Send, kind: type[_T], *, url: str, retry_for: float) -> Call[_T]:
    """Like `answered`, and read the answer as a document of one kind."""
    response = yield from answered(request, url=url, retry_for=retry_for)
    read: _T = decode(response.content, kind)
    return read


def deleted(job_id: str, *, url: str, retry_for: float) -> Call[None]:
    """Cancel a live job or delete an ended one, for at most `retry_for` seconds; nothing when it is deleted already.

    The same request cancels and deletes. Sent again blindly after a lost answer, it would delete the job that it had
    cancelled, so the job is looked at before each try. Also 'later' may come after the job was cancelled.
    """
    path = f"/v1/jobs/{job_id}"
    started = time.monotonic()
    cancelling = False
    for attempt in count(1):
        try:
            job = yield from document(Send("GET", path), Job, url=url, retry_for=retry_for)
        except Expired:
            return
        if cancelling and job.terminal:
            return
        cancelling = not job.terminal
        try:
            response = yield Send("DELETE", path)
        except httpx.TransportError as error:
            if not (pause := _pause(attempt, None, started + retry_for)):
                raise Unreachable(url, reason_of(error)) from error
            yield Pause(pause)
            continue
        assert response is not None  # noqa: S101 - a driver answers every Send with a response
        if response.is_success:
            return
        again = response.status_code in LATER | UNKNOWN
        if not again or not (pause := _pause(attempt, response, started + max(retry_for, _COURTESY))):
            raise from_problem(response.status_code, response.content)
        yield Pause(pause)


def _may_repeat(request: Send, error: httpx.TransportError) -> bool:
    return request.repeatable or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _pause(attempt: int, response: httpx.Response | None, deadline: float) -> float:
    """Seconds until the next try: the service's advice or a doubling pause with jitter; 0 when time is up."""
    advised = retry_after(response) if response is not None else None
    doubled = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
    pause = doubled if advised is None else max(advised, 0.05)
    return pause if time.monotonic() + pause < deadline else 0.0


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that a Retry-After header asks for, whether it is a number or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


class UploadOptions(TypedDict, total=False):
    """What an upload can ask for; the service checks all of it.

    `filters` in the short form (`"sepia,blur:size=9"`), as JSON or as a list. `format` is jpeg, png, webp or avif,
    none for the source's own; `quality` 1 to 100; `lossless` that no sample changes (webp, png); `subsampling` of a
    jpeg 420, 422 or 444; `metadata` that stays none, icc or all; `frames` of an animation first or all; `priority`
    normal or bulk; `webhook` an address to call at the end. `name` is shown with the job, of one image: several have
    those of their files, or of an Image.
    `batch` joins several uploads into one batch, which will have `expected` jobs in all. An upload is repeated after a
    lost answer only under an `idempotency_key`. `url` goes instead of images: the service fetches one from there, if it
    is set up to.
    """

    filters: str | Sequence[FilterSpec]
    format: str | None
    quality: int | None
    lossless: bool
    subsampling: str | None
    metadata: str | None
    frames: str | None
    name: str | None
    priority: str
    webhook: str | None
    batch: str | None
    expected: int | None
    idempotency_key: str | None
    url: str | None


def upload(images: Sequence[Image], options: UploadOptions) -> Send:
    """The request that uploads images. Raises ValueError for one name of several images."""
    given: dict[str, object] = {name: value for name, value in options.items() if value is not None}
    key = given.pop("idempotency_key", None)
    if not isinstance(filters := given.get("filters", ""), str):
        given["filters"] = msgspec.json.encode(filters).decode()
    headers = {"Idempotency-Key": str(key)} if key is not None else {}
    fields = {option: _written(value) for option, value in given.items() if value != ""}
    if (name := fields.pop("name", None)) is not None:
        if len(images) > 1:
            raise ValueError("name is of one image; give several as Image(content, name).")
        if not images:  # A form tells the names of files alone.
            params = {**fields, "name": name}
            return Send("POST", "/v1/images", params=params, headers=headers, repeatable=key is not None)
        images = [Image(images[0].content, name)]
    body = Body(fields, images)
    return Send("POST", "/v1/images", headers=body.headers | headers, body=body, repeatable=key is not None)


def _written(value: object) -> str:
    """A value as forms write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def events_request(*, job: str | None, batch: str | None) -> Send:
    """The request for the events of one job or of one batch."""
    if (job is None) == (batch is None):
        raise ValueError("Name a job or a batch, one of the two.")
    return Send("GET", f"/v1/jobs/{job}/events") if job else Send("GET", "/v1/events", {"batch": batch or ""})


def jobs_request(*, state: str | None, batch: str | None, cursor: str | None, limit: int) -> Send:
    """The request for one page of jobs."""
    params = {"state": state, "batch": batch, "cursor": cursor, "limit": str(limit)}
    return Send("GET", "/v1/jobs", {name: value for name, value in params.items() if value})


def reason_of(error: Exception) -> str:
    """Why a connection failed, in words."""
    if isinstance(error, httpx.ConnectError):
        return "nothing listens there."
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time."
    return str(error) or type(error).__name__
