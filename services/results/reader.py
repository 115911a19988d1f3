"""Reading jobs and batches as their owner may see them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from shared import keys, records
from shared.errors import Expired, NotFound
from shared.records import JobRecord
from shared.scripts import RedisClient

#: Records read with one round trip.
CHUNK: Final = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as it is now. `expected` is 0 when nobody said how many jobs there will be."""

    id: str
    partition: int
    owner: str
    created: int
    expected: int
    total: int
    terminal: int

    @property
    def complete(self) -> bool:
        """Whether every job is terminal, and as many as were expected are there."""
        return self.terminal >= max(self.total, self.expected)


class Reader:
    """Reads records; what belongs to another owner is not found."""

    def __init__(self, redis: RedisClient, *, partitions: int) -> None:
        self.redis = redis
        self.partitions = partitions

    def partition_of(self, job_id: str) -> int:
        """The partition that a job id names. Raises NotFound for what is no id of ours."""
        if keys.is_id(job_id):
            partition = int(job_id.split("-", 1)[0])
            if partition < self.partitions:
                return partition
        raise NotFound("There is no such job.")

    async def job(self, owner: str, job_id: str) -> JobRecord:
        """One record, tombstones included. Raises NotFound."""
        fields: Any = await self.redis.hgetall(keys.job(self.partition_of(job_id), job_id))
        record = records.read(job_id, fields)
        if record is None or record.owner != owner:
            raise NotFound("There is no such job.")
        return record

    async def named(self, owner: str, job_id: str) -> JobRecord:
        """The record that a caller names, whose own `id` is then the one to use. Raises NotFound or Expired.

        A publisher knows the id of its entry from XADD, whichever stream that was on: `{p}-<entry id>` that is not
        known means the job of the low-priority stream, unless its own entry waits to be recorded.
        """
        with suppress(NotFound):
            return await self.job(owner, job_id)
        names, twin = [job_id], keys.bulk_twin(job_id)
        if twin is not None and not await self._waits(job_id):
            with suppress(NotFound):
                return await self.job(owner, twin)
            names.append(twin)
        index = keys.index(self.partition_of(job_id), owner)
        for name in names:
            if await self.redis.zscore(index, name) is not None:
                # It may have been recorded just now, after it was looked for.
                with suppress(NotFound):
                    return await self.job(owner, name)
                raise Expired("This job ended longer ago than jobs are kept.")
        raise NotFound("There is no such job.")

    async def _waits(self, job_id: str) -> bool:
        """Whether the entry that a job is named after is in the normal stream."""
        partition, entry_id = job_id.split("-", 1)
        return bool(await self.redis.xrange(keys.uploaded(int(partition)), min=entry_id, max=entry_id, count=1))

    async def jobs(self, owner: str, partition: int, job_ids: Sequence[str]) -> list[JobRecord | None]:
        """Many records of one partition in the order asked for; none where there is none for this owner."""
        found: list[JobRecord | None] = []
        for start in range(0, len(job_ids), CHUNK):
            chunk = job_ids[start : start + CHUNK]
            pipeline = self.redis.pipeline(transaction=False)
            for job_id in chunk:
                pipeline.hgetall(keys.job(partition, job_id))
            for job_id, fields in zip(chunk, await pipeline.execute(), strict=True):
                record = records.read(job_id, fields)
                found.append(record if record is not None and record.owner == owner else None)
        return found

    async def states(self, partition: int, job_ids: Sequence[str]) -> list[str | None]:
        """The states of many jobs of one partition, none where the record is over."""
        found: list[str | None] = []
        for start in range(0, len(job_ids), CHUNK):
            pipeline = self.redis.pipeline(transaction=False)
            for job_id in job_ids[start : start + CHUNK]:
                pipeline.hget(keys.job(partition, job_id), "state")
            found += [state.decode() if state else None for state in await pipeline.execute()]
        return found

    async def batch(self, owner: str, batch_id: str) -> Batch:
        """One batch, in the partition that its id names or, published straight to a stream, in any. Raises NotFound."""
        named = keys.partition_of(batch_id, self.partitions)
        for partition in (named, *(other for other in range(self.partitions) if other != named)):
            batch = await self.batch_in(partition, batch_id)
            if batch is not None and batch.owner == owner:
                return batch
        raise NotFound("There is no such batch.")

    async def batch_in(self, partition: int, batch_id: str) -> Batch | None:
        """One batch of one partition, whoever owns it."""
        fields: Any = await self.redis.hgetall(keys.batch(partition, batch_id))
        if not fields:
            return None
        return Batch(
            id=batch_id,
            partition=partition,
            owner=fields.get(b"owner", b"").decode(),
            created=int(fields.get(b"created", 0)),
            expected=int(fields.get(b"expected", 0)),
            total=int(fields.get(b"total", 0)),
            terminal=int(fields.get(b"terminal", 0)),
        )

    async def batch_job_ids(self, batch: Batch) -> list[str]:
        """The ids of all jobs of a batch, oldest first."""
        members: Any = await self.redis.zrange(keys.batch_jobs(batch.partition, batch.id), 0, -1)
        return [member.decode() for member in members]

    async def version(self, partition: int) -> int:
        """The version of the last visible change in a partition."""
        return int(await self.redis.get(keys.version(partition)) or 0)
