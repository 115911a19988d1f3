"""What a client raises: the service's own errors, and two of its own for a service that cannot be reached."""

from http import HTTPStatus
from typing import Any

import msgspec

from shared.errors import DarkroomError, every_error


class WrongUsage(ValueError):
    """A command line that cannot be carried out; the message says what is wrong and what is allowed."""


class Unreachable(ConnectionError):
    """Nothing answered at the service's address, or the connection broke and stayed broken."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"Darkroom does not answer at {url}: {reason}")
        self.url = url
        self.reason = reason


class WaitTimedOut(TimeoutError):
    """The jobs were not all finished within the time given to wait for them; they go on."""


def from_problem(status: int, body: bytes) -> DarkroomError:
    """The error that a problem document (RFC 9457) tells of, as the class that the service raised.

    `details` has the document's further members, and always `status`. A code that this version does not know, or an
    answer that is no problem document (from a gateway in between, say), becomes a plain DarkroomError with the code in
    its details; `code_of` tells it for every error.
    """
    document = _document(body)
    code = document.pop("code", "refused")
    message = str(document.pop("detail", None) or document.pop("title", None) or _phrase(status))
    for known in ("type", "title", "status"):
        document.pop(known, None)
    kind = next((error for error in every_error() if error.code == code), None)
    if kind is None:
        return DarkroomError(message, **{**document, "status": status, "code": code})
    return kind(message, **{**document, "status": status})


def code_of(error: DarkroomError) -> str:
    """The code of an error, also of one that only a newer service knows."""
    return str(error.details.get("code", error.code))


def _document(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _phrase(status: int) -> str:
    try:
        return f"The service answered {status} {HTTPStatus(status).phrase}."
    except ValueError:
        return f"The service answered {status}."
