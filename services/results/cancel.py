"""Cancelling a live job, deleting one that ended."""

from services.results.reader import Reader
from shared import keys, scripts, trace_context
from shared.records import LIVE, JobRecord


async def cancel_or_delete(reader: Reader, owner: str, job_id: str, *, retention: int) -> JobRecord:
    """Cancel the job if it is live, else delete it; returns it as it is afterwards. Raises NotFound.

    Which of the two is settled once: a job that ends at the same moment is returned as it ended, and one that starts
    anew as it is then; nobody who saw a live job meant to delete it. A repeat by our own connection asks for the same.
    """
    record = await reader.named(owner, job_id)
    partition = reader.partition_of(record.id)
    job = keys.job(partition, record.id)
    await scripts.load(reader.redis, "cancel")(
        keys=[
            job,
            keys.version(partition),
            keys.hooks(partition),
            keys.batch(partition, record.batch) if record.batch else job,
            keys.batch_jobs(partition, record.batch) if record.batch else job,
        ],
        args=[
            "cancel" if record.state in LIVE else "delete",
            record.id,
            owner,
            record.batch,
            keys.changes(partition),
            retention,
            keys.LIVE_TTL,
            (record.upload.webhook if record.upload else None) or "",
            trace_context.carrier(trace_context.current())[0],
        ],
    )
    return await reader.job(owner, record.id)
