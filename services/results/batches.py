"""Batches: how far they are, and that no more is to come."""

from collections import Counter
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.results.answers import json_answer, problems
from services.results.context import ContextDep, OwnerDep, SubmitterDep
from services.results.models import BatchDocument
from services.results.reader import Batch, Reader
from shared import keys, scripts, trace_context
from shared.records import timestamp

router = APIRouter(tags=["batches"])


@router.get("/v1/batches/{batch_id}", response_model=BatchDocument, responses=problems(), summary="One batch")
async def get_batch(batch_id: str, context: ContextDep, owner: OwnerDep) -> Response:
    """How many jobs of a batch are in which state."""
    batch = await context.reader.batch(owner, batch_id)
    return json_answer(await counted(context.reader, batch))


@router.post(
    "/v1/batches/{batch_id}/close", response_model=BatchDocument, responses=problems(), summary="Close a batch"
)
async def close_batch(batch_id: str, context: ContextDep, owner: SubmitterDep) -> Response:
    """No more images come than there are: `expected` becomes what there is, for good.

    For a batch that was announced with more than it got, because some were refused or never sent; else it would wait
    for them for ever. If all its jobs have ended it is complete now, and that is told once. Closing it again changes
    nothing.
    """
    batch = await context.reader.batch(owner, batch_id)
    await _close(context.reader, batch, retention=context.settings.retention)
    return json_answer(await counted(context.reader, await context.reader.batch(owner, batch_id)))


async def _close(reader: Reader, batch: Batch, *, retention: int) -> None:
    await scripts.load(reader.redis, "close")(
        keys=[
            keys.batch(batch.partition, batch.id),
            keys.batch_jobs(batch.partition, batch.id),
            keys.version(batch.partition),
            keys.hooks(batch.partition),
        ],
        args=[
            batch.id,
            batch.owner,
            keys.changes(batch.partition),
            retention,
            trace_context.carrier(trace_context.current())[0],
        ],
    )


async def counted(reader: Reader, batch: Batch) -> dict[str, Any]:
    """The document of a batch with its jobs counted now."""
    states = await reader.states(batch.partition, await reader.batch_job_ids(batch))
    return document(batch, Counter(state for state in states if state is not None))


def document(batch: Batch, counts: Counter[str]) -> dict[str, Any]:
    return {
        "id": batch.id,
        "owner": batch.owner,
        "created": timestamp(batch.created),
        "expected": batch.expected or None,
        "total": batch.total,
        "terminal": batch.terminal,
        "complete": batch.complete,
        "counts": dict(counts),
        "links": {
            "self": f"/v1/batches/{batch.id}",
            "jobs": f"/v1/jobs?batch={batch.id}",
            "events": f"/v1/events?batch={batch.id}",
            "archive": f"/v1/batches/{batch.id}/archive",
        },
    }
