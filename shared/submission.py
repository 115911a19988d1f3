"""Recording jobs and publishing their events, in one script: what ingest and the Python publisher do alike.

Nothing is published that is not recorded, and nothing recorded that is not published; a request that carries an
idempotency key is recorded once, however often it is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
import uuid_utils
from opentelemetry.trace import Span
from redis.exceptions import RedisError

from shared import keys, problems, semantics, telemetry, trace_context
from shared.errors import IdempotencyConflict, InvalidParameter
from shared.events import ImageUploaded, encode
from shared.group_commit import GroupCommit
from shared.scripts import RedisClient, load
from shared.trace_context import Recorded

_FOREIGN_BATCH: Final = -1
#: Jobs in one script call: enough to make the round trip cheap, few enough to keep the server responsive (2 ms).
_MOST_TOGETHER: Final = 128


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
    all, if that is known. They belong to the trace of the current span.
    """

    partition: int
    owner: str
    batch: str
    jobs: Sequence[ImageUploaded]
    bulk: bool = False
    expected: int | None = None
    idempotency: Idempotency | None = None


#: A submission with the span of each of its jobs.
_Traced: TypeAlias = tuple[Submission, Sequence[Span]]


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
    """Submits through one Redis client. Submissions to one partition that come together share one script call."""

    def __init__(self, redis: RedisClient) -> None:
        self._script = load(redis, "submit")
        self._commits: dict[int, GroupCommit[_Traced, int | bytes]] = {}

    async def submit(self, submission: Submission) -> bytes | None:
        """Record and publish; returns the answer of an earlier request with the same idempotency key, else none.

        Raises IdempotencyConflict when that request was another one, InvalidParameter when the batch belongs to
        another owner, StorageUnavailable when Redis did not answer (the jobs may be recorded all the same) and
        Overloaded when it is full.
        """
        spans = [_span(submission, event) for event in submission.jobs]
        try:
            earlier = _answer(submission, await self._commit_of(submission.partition).add((submission, spans)))
        except BaseException as error:
            for recorded in _recorded(spans):
                recorded.fail(error)
            raise
        else:
            for recorded in _recorded(spans) if earlier is not None else ():
                # Nothing was published: the jobs are those of an earlier request.
                recorded.discard()
            return earlier
        finally:
            for span in spans:
                span.end()

    def _commit_of(self, partition: int) -> GroupCommit[_Traced, int | bytes]:
        commit = self._commits.get(partition)
        if commit is None:
            commit = self._commits[partition] = GroupCommit(
                self._commit, weight=lambda one: len(one[0].jobs), most=_MOST_TOGETHER
            )
        return commit

    async def _commit(self, group: Sequence[_Traced]) -> Sequence[int | bytes | Exception]:
        """The reply to each; what fails together is tried one by one, so that nobody fails for another's fault."""
        try:
            return await self._call(group)
        except RedisError as error:
            known = problems.from_redis(error)
            if known is not None:
                return [type(known)(known.message) for _ in group]
            if len(group) == 1:
                return [error]
        return [(await self._commit([one]))[0] for one in group]

    async def _call(self, group: Sequence[_Traced]) -> list[int | bytes]:
        partition = group[0][0].partition
        names: list[str] = [
            keys.uploaded(partition),
            keys.uploaded(partition, bulk=True),
            keys.version(partition),
            keys.owners(partition),
        ]
        arguments: list[str | bytes | int] = [keys.changes(partition), keys.LIVE_TTL, keys.IDEMPOTENCY_TTL, len(group)]
        for submission, spans in group:
            _add(submission, spans, names, arguments)
        replies: list[int | bytes] = await self._script(keys=names, args=arguments)
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
    parent = trace_context.current()
    if not telemetry.tracer.may_record(parent):
        return parent
    stream = semantics.uploaded(bulk=submission.bulk)
    return telemetry.tracer.start(
        semantics.publish_name(stream),
        parent=parent,
        kind=semantics.PRODUCER,
        attributes=semantics.publishing(stream, submission.partition, event.job_id or ""),
    )


def _recorded(spans: Sequence[Span]) -> list[Recorded]:
    return [span for span in spans if isinstance(span, Recorded)]


def _trace_fields(span: Span) -> tuple[str, str, str]:
    """`traceparent`, `tracestate` and trace id of a span, empty texts without a trace."""
    return *trace_context.carrier(span), telemetry.trace_id(span)
