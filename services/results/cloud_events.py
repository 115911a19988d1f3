"""The body of a webhook: a CloudEvent (version 1.0, structured JSON)."""

from typing import Any, Final, Protocol

import msgspec

from services.results import batches
from services.results.reader import Reader
from shared import records
from shared.errors import NotFound
from shared.records import timestamp

MEDIA_TYPE: Final = "application/cloudevents+json"
#: What the types of our events begin with: `darkroom.job.done`, `darkroom.batch.completed`.
PREFIX: Final = "darkroom."


class Subject(Protocol):
    """What is told of whom."""

    @property
    def message_id(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def since(self) -> int: ...


async def body(reader: Reader, kind: str, about: Subject, *, trace_url: str | None) -> bytes:
    """The event of type `kind` (`job.done`, `job.failed`, `job.cancelled`, `batch.completed`) as JSON.

    Its data is the job or batch as it is now; only the id when its record is over.
    """
    data = await _batch(reader, about) if kind.startswith("batch.") else await _job(reader, about, trace_url=trace_url)
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": about.message_id,
            "source": "/darkroom",
            "type": f"{PREFIX}{kind}",
            "subject": about.subject,
            "time": timestamp(about.since),
            "datacontenttype": "application/json",
            "data": data,
        }
    )


async def _job(reader: Reader, about: Subject, *, trace_url: str | None) -> dict[str, Any]:
    try:
        record = await reader.job(about.owner, about.subject)
    except NotFound:
        return {"id": about.subject}
    return records.document(record, trace_url=trace_url)


async def _batch(reader: Reader, about: Subject) -> dict[str, Any]:
    try:
        batch = await reader.batch(about.owner, about.subject)
    except NotFound:
        return {"id": about.subject}
    return await batches.counted(reader, batch)
