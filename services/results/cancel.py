"""Cancelling a live job, deleting one that ended."""

from typing import Final

from opentelemetry import trace

from services.results.reader import Reader
from shared import keys, scripts, trace_context
from shared.records import LIVE, JobRecord

#: Tries of cancelling a job that ends, or runs anew, at the same moment.
_TRIES: Final = 5


async def cancel_or_delete(reader: Reader, owner: str, job_id: str, *, retention: int) -> JobRecord:
    """Cancel the job if it is live, else delete it; returns it as it is afterwards. Raises NotFound.

    A repeat after a lost reply never turns a cancel into a delete: each call says which of the two it wants.
    """
    script = scripts.load(reader.redis, "cancel")
    record = await reader.job(owner, job_id)
    for _ in range(_TRIES):
        partition = reader.partition_of(record.id)
        live = record.state in LIVE
        job = keys.job(partition, record.id)
        await script(
            keys=[
                job,
                keys.version(partition),
                keys.hooks(partition),
                keys.batch(partition, record.batch) if record.batch else job,
                keys.batch_jobs(partition, record.batch) if record.batch else job,
            ],
            args=[
                "cancel" if live else "delete",
                record.id,
                owner,
                record.batch,
                keys.changes(partition),
                retention,
                (record.upload.webhook if record.upload else None) or "",
                trace_context.carrier(trace.get_current_span())[0],
            ],
        )
        record = await reader.job(owner, job_id)
        if record.state in {"cancelled", "deleted"}:
            break
    return record
