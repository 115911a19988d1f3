"""Dead letters: events that could not be read or that used up their attempts, kept with all that is known of them."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from shared import keys
from shared.entries import Entry, Source

#: Prefix of the original entry's fields in a dead letter.
ENTRY_PREFIX: Final = b"entry."
#: Owner of a letter of which nobody can tell whose it is: all who operate the queue see it.
NOBODY: Final = ""
_OWNER = re.compile(keys.OWNER_PATTERN)


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """The field `data` of an entry of `image.dead:{p}`. `at` is ms since the epoch, `job_id` empty when unknown.

    `owner` alone decides who sees the letter; it is `NOBODY` when that is unknown.
    """

    stream: str
    entry_id: str
    job_id: str
    owner: str
    run: int
    code: str
    message: str
    attempts: int
    #: Of a job that was given up the one that started it last, empty when that was not recorded; else who buried it.
    worker: str
    at: int
    trace: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A letter ready to be written, and the `failed` event of its job (empty when there is none to tell)."""

    code: str
    document: bytes
    event: bytes = b""
    traceparent: str = ""
    tracestate: str = ""
    #: What log lines about it say besides: job, run, trace and span.
    about: Mapping[str, str | int] = field(default_factory=dict)
    #: Called once the letter is written, by whoever was the one to write it.
    written: Callable[[], None] = lambda: None


#: Writes the dead letter of an entry that used up its attempts; given the entry, its source and this consumer.
Obituary = Callable[[Source, Entry, str], Awaitable[DeadLetter]]


def write(  # noqa: PLR0913 - one keyword per member of the document
    source: Source,
    entry: Entry,
    *,
    code: str,
    message: str,
    worker: str,
    job_id: str = "",
    owner: str = NOBODY,
    run: int = 1,
    trace: str = "",
) -> bytes:
    """The document of a dead letter."""
    letter = Letter(
        stream=source.stream,
        entry_id=entry.id,
        job_id=job_id,
        owner=owner,
        run=run,
        code=code,
        message=message,
        attempts=entry.attempts,
        worker=worker,
        at=int(time.time() * 1000),
        trace=trace,
    )
    return msgspec.json.encode(letter)


def told(fields: Mapping[bytes, bytes]) -> dict[str, Any] | None:
    """What an entry says that nobody could read as a whole; none where its `data` is no JSON object."""
    try:
        event: Any = msgspec.json.decode(fields.get(b"data", b""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def owner_told(fields: Mapping[bytes, bytes]) -> str:
    """Whose an entry says that it is which nobody could read as a whole: an upload, a step on its way, a webhook.

    `NOBODY` when it names none, or one that no key can have.
    """
    named = told(fields) or {}
    upload = named.get("upload")
    inner = upload if isinstance(upload, dict) else {}
    for owner in (named.get("owner"), inner.get("owner"), fields.get(b"owner", b"").decode(errors="replace")):
        if isinstance(owner, str) and _OWNER.fullmatch(owner):
            return owner
    return NOBODY
