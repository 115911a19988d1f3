"""What webhooks told in the storm: the end of each batch, and of each run of its jobs, under one message id each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from shared import keys
from tests.chaos.ledger import Whole


async def batches_that_lie(
    redis: Redis, batches: Sequence[Whole], runs: Mapping[str, int], told: Sequence[Mapping[str, Any]]
) -> list[str]:
    """In words, every batch whose record or whose webhooks are not what its jobs came to.

    `runs` is how often each job was run and ended, `told` all events that the receiver took, repeated ones too.
    """
    wrong: list[str] = []
    ids = _message_ids(told)
    for batch in batches:
        wrong += await _miscounted(redis, batch)
        completed = len(ids["darkroom.batch.completed", batch.batch_id])
        # A job that is run again may complete its batch again.
        if not 1 <= completed <= 1 + batch.retries:
            wrong.append(f"batch {batch.batch_id} was completed {completed} times, {batch.retries} jobs ran again")
        for job in batch.jobs:
            ends = sum(len(ids[f"darkroom.job.{state}", job]) for state in ("done", "failed", "cancelled"))
            if ends != runs.get(job, 0):
                wrong.append(f"the webhooks of {job} told of {ends} ends of {runs.get(job, 0)} runs")
    return wrong


async def _miscounted(redis: Redis, batch: Whole) -> list[str]:
    names = ("total", "terminal", "expected")
    counts = dict(zip(names, await redis.hmget(keys.batch(0, batch.batch_id), names), strict=True))
    jobs = str(len(batch.jobs)).encode()
    return [] if set(counts.values()) == {jobs} else [f"batch {batch.batch_id} of {jobs.decode()} jobs says {counts}"]


def _message_ids(told: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """The ids of messages by type and subject; one that was delivered twice counts once."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in told:
        ids[event["type"], event["subject"]].add(event["id"])
    return ids
