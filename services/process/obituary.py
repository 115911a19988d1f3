"""The dead letters of upload events: one that nobody can read, one that used up its attempts."""

import time
from typing import Final

import msgspec
import structlog
from opentelemetry.trace import Span

from services.process import orders, spans
from services.process.orders import Order
from services.process.unreadable import Recall, upload_in
from shared import dead_letters, events, keys, telemetry, trace_context
from shared.dead_letters import DeadLetter
from shared.entries import Entry, Source
from shared.errors import DarkroomError, GaveUp, InvalidEvent
from shared.events import Failure, ImageProgress

log = structlog.get_logger()

#: Fields of a job's record that tell of its attempts: who began the last one, the last fault that was noted, and when
#: that one began.
TOLD: Final = ("tried_by", "fault", *orders.BEGUN)


class Fault(msgspec.Struct, frozen=True):
    """Why an attempt left its entry to be redelivered."""

    run: int
    attempt: int
    worker: str
    error: Failure


_fault = msgspec.json.Decoder(Fault | None)


def fault(order: Order, error: DarkroomError, worker: str) -> bytes:
    """What is noted in the record of a job whose attempt failed and is to be repeated."""
    return msgspec.json.encode(Fault(order.upload.run, order.attempt, worker, orders.failure_of(error)))


async def of_spent(source: Source, entry: Entry, worker: str, recall: Recall) -> DeadLetter:
    """The letter of an entry that used up its attempts, and the failure of its job.

    It names the last error that is known and the worker that started the job last: a process that died told nothing.
    """
    try:
        order = orders.read(source, entry)
    except InvalidEvent as unreadable:
        return await of_unreadable(source, entry, unreadable, worker, recall)
    tried_by, noted, *begun = await recall(keys.job(source.partition, order.job_id), TOLD)
    error = GaveUp(f"The job was started {entry.attempts} times and never came to an end. {_last_error(order, noted)}")
    event = _failed(order, error, worker)
    document = dead_letters.write(
        source,
        entry,
        code=error.code,
        message=error.message,
        worker=tried_by.decode() if tried_by else "",
        job_id=order.job_id,
        owner=order.upload.owner,
        run=order.upload.run,
        trace=telemetry.trace_id(order.parent),
    )
    return _letter(order, error, event, document, spans.lost(order, orders.last_start(begun)))


async def of_unreadable(source: Source, entry: Entry, error: DarkroomError, worker: str, recall: Recall) -> DeadLetter:
    """The letter of an event that cannot be read, and the failure of its job (see `services.process.unreadable`)."""
    upload = await upload_in(source, entry, recall)
    order = Order(source, entry, upload, upload.job_id or "", telemetry.span_of(entry.fields))
    event = _failed(order, error, worker)
    document = dead_letters.write(
        source,
        entry,
        code=error.code,
        message=error.message,
        worker=worker,
        job_id=order.job_id,
        owner=dead_letters.owner_told(entry.fields),
        run=upload.run,
        trace=telemetry.trace_id(order.parent),
    )
    return _letter(order, error, event, document, spans.begin(order))


def _failed(order: Order, error: DarkroomError, worker: str) -> ImageProgress:
    """The failure of an order whose entry is not started any more: what was started counts, and nothing else."""
    event = orders.failed(order, orders.failure_of(error), worker=worker, at=int(time.time() * 1000))
    return msgspec.structs.replace(event, attempt=order.entry.attempts)


def _letter(order: Order, error: DarkroomError, event: ImageProgress, document: bytes, span: Span) -> DeadLetter:
    """The letter of an order whose last attempt is `span`, which ends with it."""
    carried = spans.buried(order, span, event)
    about: dict[str, str | int] = {"job_id": order.job_id, **telemetry.ids(carried), "run": order.upload.run}
    return DeadLetter(error.code, document, events.encode(event), *trace_context.carrier(carried), about)


def _last_error(order: Order, noted: bytes | None) -> str:
    try:
        known = _fault.decode(noted or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("a noted fault cannot be read", job_id=order.job_id, error=str(error))
        known = None
    if known is None or known.run != order.upload.run:
        return "No start left an error behind."
    return f"The last known error, of start {known.attempt}: {known.error.code}: {known.error.message}"
