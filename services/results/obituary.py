"""Dead letters of entries that this service could not handle within their attempts."""

from services.results.webhook import UNREADABLE, about_webhook, read
from shared import dead_letters, telemetry, trace_context
from shared.dead_letters import DeadLetter
from shared.entries import Entry, Source
from shared.errors import GaveUp, InvalidEvent
from shared.events import decode_progress


async def webhook_obituary(source: Source, entry: Entry, worker: str) -> DeadLetter:
    """The letter of a webhook whose deliverers kept dying."""
    message = f"This webhook was not delivered within {entry.attempts} attempts."
    about: dict[str, str | int] = {}
    try:
        webhook = read(source, entry)
    except UNREADABLE:
        owner, run = dead_letters.owner_told(entry.fields), 1
    else:
        owner, run = webhook.owner, webhook.run
        cause = trace_context.read(webhook.traceparent)
        about = {**about_webhook(webhook), "run": run, **(telemetry.ids(cause) if cause else {})}
    document = dead_letters.write(source, entry, code=GaveUp.code, message=message, worker=worker, owner=owner, run=run)
    return DeadLetter(GaveUp.code, document, about=about)


async def progress_obituary(source: Source, entry: Entry, worker: str) -> DeadLetter:
    """The letter of a progress event. It publishes nothing: the event can be replayed as it is."""
    message = f"The projection did not finish this event within {entry.attempts} attempts."
    about: dict[str, str | int] = {**telemetry.ids(telemetry.span_of(entry.fields))}
    try:
        event = decode_progress(entry.fields, partition=source.partition)
    except InvalidEvent:
        owner = dead_letters.owner_told(entry.fields)
        document = dead_letters.write(source, entry, code=GaveUp.code, message=message, worker=worker, owner=owner)
    else:
        document = dead_letters.write(
            source,
            entry,
            code=GaveUp.code,
            message=message,
            worker=worker,
            job_id=event.job_id,
            owner=event.upload.owner,
            run=event.run,
        )
        about |= {"job_id": event.job_id, "run": event.run}
    return DeadLetter(GaveUp.code, document, about=about)
