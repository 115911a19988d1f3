"""The dead letters of upload events: one that nobody can read, one that used up its attempts."""

import time

from services.process import orders, spans
from services.process.orders import Order
from shared import dead_letters, events, keys, telemetry, trace_context
from shared.dead_letters import DeadLetter
from shared.entries import Entry, Source
from shared.errors import DarkroomError, GaveUp, InvalidEvent
from shared.events import ImageUploaded


def of_spent(source: Source, entry: Entry, worker: str) -> DeadLetter:
    """The letter of an entry that used up its attempts, and the failure of its job."""
    try:
        order = orders.read(source, entry)
    except InvalidEvent as unreadable:
        return of_unreadable(source, entry, unreadable, worker)
    error = GaveUp(f"The job was started {entry.attempts} times and never came to an end.")
    event = orders.failed(order, orders.failure_of(error), worker=worker, at=_now())
    document = dead_letters.write(
        source,
        entry,
        code=error.code,
        message=error.message,
        worker=worker,
        job_id=order.job_id,
        owner=order.upload.owner,
        run=order.upload.run,
        trace=telemetry.trace_id(order.parent),
    )
    carried = spans.buried(order, spans.lost(order), event)
    about = {"job_id": order.job_id, **telemetry.ids(carried)}
    return DeadLetter(error.code, document, events.encode(event), *trace_context.carrier(carried), about)


def of_unreadable(source: Source, entry: Entry, error: DarkroomError, worker: str) -> DeadLetter:
    """The letter of an event that cannot be read. Its publisher can still ask for the job that the entry's id names."""
    job_id = keys.job_of_entry(source.partition, entry.id, bulk=source.bulk)
    upload = ImageUploaded(source="", job_id=job_id)
    order = Order(source, entry, upload, job_id, telemetry.span_of(entry.fields))
    event = orders.failed(order, orders.failure_of(error), worker=worker, at=_now())
    document = dead_letters.write(source, entry, code=error.code, message=error.message, worker=worker)
    carried = spans.buried(order, spans.begin(order), event)
    about = {"job_id": order.job_id, **telemetry.ids(carried)}
    return DeadLetter(error.code, document, events.encode(event), *trace_context.carrier(carried), about)


def _now() -> int:
    return int(time.time() * 1000)
