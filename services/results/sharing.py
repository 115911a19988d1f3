"""Links to a picture for those who have no key: signed, and good for a while."""

import time
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.results.answers import json_answer, problems
from services.results.context import ContextDep, OwnerDep
from services.results.models import SharedLink
from shared.errors import Expired, InvalidRequest
from shared.records import timestamp

router = APIRouter(tags=["downloads"])

#: Seconds that a link lasts at most: as long as results are kept by default, and a week.
_LONGEST: Final = 7 * 24 * 3600


@router.post(
    "/v1/jobs/{job_id}/links",
    status_code=201,
    response_model=SharedLink,
    responses=problems(Expired, InvalidRequest),
    summary="Share a picture",
)
async def share(
    job_id: str,
    context: ContextDep,
    owner: OwnerDep,
    what: Annotated[Literal["result", "original"], Query(description="Which picture of the job.")] = "result",
    seconds: Annotated[int, Query(ge=1, le=_LONGEST, description="How long the link is good for.")] = 3600,
) -> Response:
    """A link that opens one picture without a key until it expires, or until the job is deleted."""
    record = await context.reader.named(owner, job_id)
    if record.state == "deleted":
        raise Expired("This job was deleted.")
    if context.links is None:
        raise InvalidRequest("This Darkroom signs no links: it has no DARKROOM_LINK_SECRET_FILE.")
    expires = int(time.time()) + seconds
    url = context.links.sign(f"/v1/jobs/{record.id}/{what}", owner, expires)
    return json_answer({"url": url, "expires": timestamp(expires * 1000)}, 201)
