"""Jobs: state, pages, cancel and delete."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request
from opentelemetry.trace import Span
from starlette.responses import Response

from services.results.answers import json_answer, page_answer, problems
from services.results.cancel import cancel_or_delete
from services.results.context import ContextDep, OwnerDep, SubmitterDep
from services.results.listing import list_jobs
from services.results.models import Absent, JobDocument, JobPage, JobState, Limit, Short
from shared import records, semantics, trace_context
from shared.errors import Expired, InvalidParameter, NotFailed, Overloaded
from shared.records import JobRecord

router = APIRouter(tags=["jobs"])
log = structlog.get_logger()


@router.get("/v1/jobs", response_model=JobPage, responses=problems(InvalidParameter), summary="List jobs")
async def list_jobs_(
    request: Request,
    context: ContextDep,
    owner: OwnerDep,
    state: Annotated[JobState | None, Absent, Query(description="Only jobs in this state.")] = None,
    batch: Annotated[Short | None, Absent, Query(description="Only jobs of this batch.")] = None,
    cursor: Annotated[Short | None, Absent, Query(description="`next` of the page before.")] = None,
    limit: Annotated[Limit, Query(description="Jobs on one page at most.")] = 50,
) -> Response:
    """Jobs, newest first. A page may be short before the end: go on while there is a `next`."""
    found, following = await list_jobs(context.reader, owner, state=state, batch=batch, cursor=cursor, limit=limit)
    trace_url = context.settings.trace_url
    documents = [records.document(job, trace_url=trace_url) for job in found]
    return page_answer(request, {"jobs": documents, "next": following})


@router.get("/v1/jobs/{job_id}", response_model=JobDocument, responses=problems(Expired), summary="One job")
async def get_job(job_id: str, context: ContextDep, owner: OwnerDep) -> Response:
    record = await context.reader.named(owner, job_id)
    if record.state == "deleted":
        raise Expired("This job was deleted.")
    return json_answer(records.document(record, trace_url=context.settings.trace_url))


@router.delete("/v1/jobs/{job_id}", response_model=JobDocument, responses=problems(), summary="Cancel or delete")
async def delete_job(job_id: str, context: ContextDep, owner: SubmitterDep) -> Response:
    """Cancel a live job; delete one that ended. The answer is the job afterwards: `cancelled` or `deleted`.

    A live job that ends at the same moment is not deleted, the answer then says how it ended. Sent again, a request
    that cancelled the job deletes it: after a lost answer, look at the job first.
    """
    record = await cancel_or_delete(context.reader, owner, job_id, retention=context.settings.retention)
    span = trace_context.current()
    span.set_attribute(semantics.JOB, record.id)
    if record.state == "cancelled":
        context.metrics.jobs.labels("cancelled", "").inc()
        _tell_of_cancelled(record, span)
    return json_answer(records.document(record, trace_url=context.settings.trace_url))


def _tell_of_cancelled(record: JobRecord, span: Span) -> None:
    """`span` is that of the request: what follows from it, the job's webhook, is in its trace and not in the job's."""
    about: dict[str, str | int] = {"job_id": record.id, "run": record.run, "attempt": record.attempts}
    if record.trace:
        span.set_attribute(semantics.PREVIOUS, record.trace)
        about["trace_id"] = record.trace
    own = trace_context.known(span)
    if own is not None:
        about |= {"request_trace_id": own.trace, "request_span_id": own.span}
    log.info("job ended", state="cancelled", **about)


@router.post(
    "/v1/jobs/{job_id}/retry",
    status_code=202,
    response_model=JobDocument,
    responses=problems(Expired, NotFailed, Overloaded),
    summary="Run again",
)
async def retry_job(job_id: str, context: ContextDep, owner: SubmitterDep) -> Response:
    """Run a failed or cancelled job again: the same job, its next run. The answer is the job afterwards."""
    record = await context.reader.job(owner, await context.replayer.retry(owner, job_id))
    return json_answer(records.document(record, trace_url=context.settings.trace_url), 202)
