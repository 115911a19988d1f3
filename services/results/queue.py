"""The operator's view of the queue, over HTTP."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.results.answers import page_answer, problems
from services.results.context import ContextDep, OperatorDep
from services.results.models import QueueDocument

router = APIRouter(tags=["queue"])


@router.get("/v1/queue", response_model=QueueDocument, responses=problems(), summary="Streams, workers, rates")
async def get_queue(request: Request, context: ContextDep, owner: OperatorDep) -> Response:
    """What waits, who works, how fast, and what went wrong lately; at most a second old."""
    return page_answer(request, await context.overview.document(owner))
