"""What both clients share: their configuration and the calls that they can make."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import httpx

from clients.calls import Call, Send, UploadOptions, answered, deleted, document, jobs_request, upload
from clients.downloads import downloaded
from clients.errors import WrongUsage
from clients.models import (
    Batch,
    Catalogue,
    DeadLetterPage,
    Job,
    Page,
    Queue,
    SharedLink,
    Submitted,
    WholeDeadLetter,
)
from clients.multipart import Image
from shared.secret_files import SecretFileError, secret

DEFAULT_URL: Final = "http://127.0.0.1:8080"
URL_VARIABLE: Final = "DARKROOM_URL"
KEY_VARIABLE: Final = "DARKROOM_API_KEY"
#: Connections to the service at a time.
_CONNECTIONS: Final = 32

Source = Path | str | bytes | Image
#: Which picture of a job.
Which = Literal["result", "original"]
_THIS_MACHINE: Final = ("127.0.0.1", "localhost", "::1")

_T = TypeVar("_T")


def _address(text: str) -> str:
    """`localhost:8080` is what people type; without a scheme it is plain HTTP."""
    return (text if "://" in text else f"http://{text}").rstrip("/")


class ClientBase:
    """The service's address, time limits, and one method per call that returns the call undriven."""

    def __init__(
        self, url: str | None = None, *, key: str | None = None, timeout: float = 60.0, retry_for: float = 30.0
    ) -> None:
        """`url` is that of the service, else DARKROOM_URL, else http://127.0.0.1:8080.

        `key` is an API key, else the one in DARKROOM_API_KEY, or in the file that DARKROOM_API_KEY_FILE names.
        `timeout` is in seconds and bounds each wait for the network, `retry_for` all tries of one call.
        """
        self.url = _address(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)
        #: Seconds that all tries of one call may take; can be changed at any time.
        self.retry_for = retry_for
        self._options: dict[str, Any] = {
            "base_url": self.url,
            "timeout": httpx.Timeout(timeout, connect=10.0, pool=None),
            "limits": httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            "headers": {"User-Agent": "darkroom-client", **_authorization(key or _key())},
            # Certificates take longer to load than most calls take; without https there is nothing to verify.
            "verify": self.url.startswith("https:"),
            # A proxy of the environment is for other machines.
            "trust_env": urlsplit(self.url).hostname not in _THIS_MACHINE,
        }

    def _store_options(self, address: str) -> dict[str, Any]:
        """What connections to an object store are made with: nothing of the service's, least of all its key."""
        return {
            "timeout": self._options["timeout"],
            "limits": self._options["limits"],
            # The bytes are taken as they are stored.
            "headers": {"User-Agent": "darkroom-client", "Accept-Encoding": "identity"},
            "trust_env": urlsplit(address).hostname not in _THIS_MACHINE,
        }

    def _answered(self, request: Send) -> Call[httpx.Response]:
        return answered(request, url=self.url, retry_for=self.retry_for)

    def _document(self, request: Send, kind: type[_T]) -> Call[_T]:
        return document(request, kind, url=self.url, retry_for=self.retry_for)

    def _submit(self, images: Sequence[Source], options: UploadOptions) -> Call[Submitted]:
        return self._document(upload([Image.of(image) for image in images], options), Submitted)

    def _job(self, job_id: str) -> Call[Job]:
        return self._document(Send("GET", f"/v1/jobs/{job_id}"), Job)

    def _page(self, state: str | None, batch: str | None, cursor: str | None, limit: int) -> Call[Page]:
        return self._document(jobs_request(state=state, batch=batch, cursor=cursor, limit=limit), Page)

    def _bytes(self, job_id: str, which: Which) -> Call[bytes]:
        request = Send("GET", f"/v1/jobs/{job_id}/{which}", led_away=True)
        response = yield from downloaded(request, url=self.url, retry_for=self.retry_for)
        return response.content

    def _save(self, job_id: str, path: Path) -> Call[int]:
        request = Send("GET", f"/v1/jobs/{job_id}/result", into=path, led_away=True)
        response = yield from downloaded(request, url=self.url, retry_for=self.retry_for)
        return response.num_bytes_downloaded

    def _share(self, job_id: str, which: Which, seconds: int) -> Call[SharedLink]:
        asked = {"what": which, "seconds": str(seconds)}
        link = yield from self._document(Send("POST", f"/v1/jobs/{job_id}/links", asked), SharedLink)
        return SharedLink(self.url + link.url, link.expires)

    def _batch(self, batch_id: str) -> Call[Batch]:
        return self._document(Send("GET", f"/v1/batches/{batch_id}"), Batch)

    def _close_batch(self, batch_id: str) -> Call[Batch]:
        return self._document(Send("POST", f"/v1/batches/{batch_id}/close"), Batch)

    def _archive(self, batch_id: str, path: Path) -> Call[int]:
        response = yield from self._answered(Send("GET", f"/v1/batches/{batch_id}/archive", into=path))
        return response.num_bytes_downloaded

    def _delete(self, job_id: str) -> Call[None]:
        yield from deleted(job_id, url=self.url, retry_for=self.retry_for)

    def _retry(self, job_id: str) -> Call[None]:
        yield from self._answered(Send("POST", f"/v1/jobs/{job_id}/retry", repeatable=False))

    def _filters(self) -> Call[Catalogue]:
        return self._document(Send("GET", "/v1/filters"), Catalogue)

    def _dead_page(self, cursor: str | None) -> Call[DeadLetterPage]:
        return self._document(Send("GET", "/v1/dead-letters", {"cursor": cursor} if cursor else {}), DeadLetterPage)

    def _dead(self, letter_id: str) -> Call[WholeDeadLetter]:
        return self._document(Send("GET", f"/v1/dead-letters/{letter_id}"), WholeDeadLetter)

    def _replay(self, letter_id: str) -> Call[None]:
        yield from self._answered(Send("POST", f"/v1/dead-letters/{letter_id}/replay"))

    def _drop(self, letter_id: str) -> Call[None]:
        yield from self._answered(Send("DELETE", f"/v1/dead-letters/{letter_id}"))

    def _queue(self) -> Call[Queue]:
        return self._document(Send("GET", "/v1/queue"), Queue)


def _key() -> str | None:
    try:
        return secret(KEY_VARIABLE)
    except SecretFileError as error:
        raise WrongUsage(f"{error}.") from error


def _authorization(key: str | None) -> dict[str, str]:
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise WrongUsage("An API key has visible ASCII characters only.")
    return {"Authorization": f"Bearer {key.strip()}"}
