"""Batches: how far they are."""

from collections import Counter
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.results.answers import json_answer, problems
from services.results.context import ContextDep, OwnerDep
from services.results.models import BatchDocument
from services.results.reader import Batch
from shared.records import timestamp

router = APIRouter(tags=["batches"])


@router.get("/v1/batches/{batch_id}", response_model=BatchDocument, responses=problems(), summary="One batch")
async def get_batch(batch_id: str, context: ContextDep, owner: OwnerDep) -> Response:
    """How many jobs of a batch are in which state."""
    batch = await context.reader.batch(owner, batch_id)
    states = await context.reader.states(batch.partition, await context.reader.batch_job_ids(batch))
    return json_answer(document(batch, Counter(state for state in states if state is not None)))


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
