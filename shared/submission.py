"""Recording jobs and publishing their events, in one script: what ingest and the Python publisher do alike.

Nothing is published that is not recorded, and nothing recorded that is not published; a request that carries an
idempotency key is recorded once, however often it is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import uuid_utils
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from redis.exceptions import RedisError

from shared import keys, problems, telemetry
from shared.errors import IdempotencyConflict, InvalidParameter
from shared.events import ImageUploaded, encode
from shared.scripts import RedisClient, load

_FOREIGN_BATCH: Final = -1


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's key, a fingerprint of what it sent with it, and the answer to give whenever it sends that again."""

    key: str
    fingerprint: str
    answer: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """Jobs of one owner, one batch and one partition, recorded and published together or not at all.

    Each event has its `job_id`, which starts with the partition. `expected` is how many jobs the batch will have in
    all, if that is known. `context` is the trace that the jobs belong to; none means the current one.
    """

    partition: int
    owner: str
    batch: str
    jobs: Sequence[ImageUploaded]
    bulk: bool = False
    expected: int | None = None
    idempotency: Idempotency | None = None
    context: Context | None = None


class _Remembered(msgspec.Struct, frozen=True):
    fingerprint: str
    answer: str


_remembered = msgspec.json.Decoder(_Remembered)


def partition_for(owner: str, batch: str | None, idempotency_key: str | None, partitions: int) -> int:
    """The partition of a request: its batch's, else the one that owner and idempotency key name, else any."""
    if batch is not None:
        return keys.partition_of(batch, partitions)
    if idempotency_key is not None:
        return keys.partition_of(f"{owner}:{idempotency_key}", partitions)
    return 0 if partitions == 1 else keys.partition_of(str(uuid_utils.uuid4()), partitions)


class Submitter:
    """Submits through one Redis client."""

    def __init__(self, redis: RedisClient) -> None:
        self._script = load(redis, "submit")

    async def submit(self, submission: Submission) -> bytes | None:
        """Record and publish; returns the answer of an earlier request with the same idempotency key, else none.

        Raises IdempotencyConflict when that request was another one, InvalidParameter when the batch belongs to
        another owner, StorageUnavailable when Redis did not answer (the jobs may be recorded all the same) and
        Overloaded when it is full.
        """
        spans = [_span(submission, event) for event in submission.jobs]
        try:
            reply = (await self._call([submission], [spans]))[0]
        except BaseException as error:
            for span in spans:
                span.record_exception(error)
                span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            for span in spans:
                span.end()
        return _answer(submission, reply)

    async def _call(self, submissions: Sequence[Submission], spans: Sequence[Sequence[Span]]) -> list[int | bytes]:
        partition = submissions[0].partition
        names: list[str] = [
            keys.uploaded(partition),
            keys.uploaded(partition, bulk=True),
            keys.version(partition),
            keys.owners(partition),
        ]
        arguments: list[str | bytes | int] = [
            keys.changes(partition),
            keys.LIVE_TTL,
            keys.IDEMPOTENCY_TTL,
            len(submissions),
        ]
        for submission, own in zip(submissions, spans, strict=True):
            _add(submission, own, names, arguments)
        try:
            replies: list[int | bytes] = await self._script(keys=names, args=arguments)
        except RedisError as error:
            known = problems.from_redis(error)
            if known is None:
                raise
            raise known from error
        return replies


def _add(submission: Submission, spans: Sequence[Span], names: list[str], arguments: list[str | bytes | int]) -> None:
    """Append the keys and arguments of one request, in the order that submit.lua describes."""
    partition, owner, batch, idempotency = (
        submission.partition,
        submission.owner,
        submission.batch,
        submission.idempotency,
    )
    batch_key = keys.batch(partition, batch)
    names += [
        keys.idempotency(partition, owner, idempotency.key) if idempotency else batch_key,
        batch_key,
        keys.batch_jobs(partition, batch),
        keys.index(partition, owner),
    ]
    arguments += [
        owner,
        batch,
        "" if submission.expected is None else submission.expected,
        "1" if submission.bulk else "",
        _remember(idempotency) if idempotency else "",
        len(submission.jobs),
    ]
    for event, span in zip(submission.jobs, spans, strict=True):
        if event.job_id is None:
            raise ValueError("an event needs its job id before it is submitted")
        names.append(keys.job(partition, event.job_id))
        arguments += [event.job_id, encode(event), *_trace_fields(span)]


def _answer(submission: Submission, reply: int | bytes) -> bytes | None:
    if isinstance(reply, bytes):
        earlier = _remembered.decode(reply)
        if submission.idempotency is None or earlier.fingerprint != submission.idempotency.fingerprint:
            raise IdempotencyConflict("This Idempotency-Key was used before with other images or parameters.")
        return earlier.answer.encode()
    if reply == _FOREIGN_BATCH:
        raise InvalidParameter("This batch id is taken; choose another one.", parameter="batch")
    return None


def _remember(idempotency: Idempotency) -> bytes:
    return msgspec.json.encode(_Remembered(idempotency.fingerprint, idempotency.answer.decode()))


def _span(submission: Submission, event: ImageUploaded) -> Span:
    stream = "image.uploaded.bulk" if submission.bulk else "image.uploaded"
    return telemetry.tracer.start_span(
        f"{stream} publish",
        context=submission.context,
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "redis",
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": stream,
            "messaging.destination.partition.id": str(submission.partition),
            "darkroom.job.id": event.job_id or "",
        },
    )


def _trace_fields(span: Span) -> tuple[str, str, str]:
    """`traceparent`, `tracestate` and trace id of a span, empty texts without a trace."""
    context = span.get_span_context()
    if not context.is_valid:
        return "", "", ""
    traceparent, tracestate = telemetry.fields_of(trace.set_span_in_context(span, Context()))
    return traceparent, tracestate, f"{context.trace_id:032x}"
