"""Whose job an upload event is that nobody could read as a whole.

Its publisher waits for the job that it named, so that is the one that fails. But the entry may be anybody's, or the
second of two with one id: a job that waits or is worked on fails only by its own event, or by one that names its owner
and run too. What is refused here fails as an entry without a `job_id` does: as the job of the entry's id.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from shared import dead_letters, events, keys, records
from shared.entries import Entry, Source
from shared.events import ImageUploaded

#: Reads some fields of a job hash.
Recall = Callable[[str, Sequence[str]], Awaitable[list[bytes | None]]]

_KNOWN: Final = ("state", "run", "owner", "batch", "event")


async def upload_in(source: Source, entry: Entry, recall: Recall) -> ImageUploaded:
    """What an unreadable entry asks for, as far as it concerns its job: id, run, owner and batch."""
    told = dead_letters.told(entry.fields) or {}
    derived = keys.job_of_entry(source.partition, entry.id, bulk=source.bulk)
    upload = ImageUploaded(source="", job_id=derived)
    owner, run = dead_letters.owner_told(entry.fields), told.get("run")
    if owner != dead_letters.NOBODY:
        upload = msgspec.structs.replace(upload, owner=owner)
    if events.is_run(run):
        upload = msgspec.structs.replace(upload, run=run)
    named = told.get("job_id")
    if not isinstance(named, str) or not keys.is_job_of(source.partition, named):
        return upload
    known = await recall(keys.job(source.partition, named), _KNOWN)
    record = dict(zip(_KNOWN, known, strict=True))
    if record["state"] is None:
        return msgspec.structs.replace(upload, job_id=named)
    if not _may_fail(entry, told, upload, record):
        return upload
    return msgspec.structs.replace(upload, job_id=named, batch=(record["batch"] or b"").decode() or None)


def _may_fail(entry: Entry, told: Mapping[str, Any], upload: ImageUploaded, record: Mapping[str, bytes | None]) -> bool:
    """Whether the job of a record is that of the entry. What is over already, the projection leaves as it is."""
    known_run = int(record["run"] or 1)
    if (record["owner"] or b"").decode() != upload.owner or upload.run > known_run:
        return False
    if (record["state"] or b"").decode() not in records.LIVE or upload.run < known_run:
        return True
    of_its_own = told.get("owner") == upload.owner and events.is_run(told.get("run"))
    return of_its_own or record["event"] == entry.fields.get(b"data")
