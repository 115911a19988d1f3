"""Dead letters: list, inspect, put back, drop."""

import asyncio
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Query, Request
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response

from services.results import letters
from services.results.answers import json_answer, page_answer, problems
from services.results.context import Context, ContextDep, OperatorDep
from services.results.models import Absent, DeadLetterPage, Limit, Replayed, ReplayedMany, Short, WholeDeadLetter
from shared import keys
from shared.errors import Expired, InvalidParameter, NotFailed, NotFound, Overloaded

router = APIRouter(tags=["dead letters"])
log = structlog.get_logger()


class _LetterId(StringConvertor):
    """Any id but the name of what is done to many: a GET or DELETE of that address is a wrong method, no letter."""

    regex = "(?!replay$)[^/]+"


register_url_convertor("letter", _LetterId())

#: Dead letters that one request replays at most, and those that it looks at.
_MOST: Final = 500
_MOST_LOOKED_AT: Final = 2000


@router.get("/v1/dead-letters", response_model=DeadLetterPage, responses=problems(InvalidParameter), summary="List")
async def list_letters(
    request: Request,
    context: ContextDep,
    owner: OperatorDep,
    cursor: Annotated[Short | None, Absent, Query(description="`next` of the page before.")] = None,
    limit: Annotated[Limit, Query(description="Dead letters on one page at most.")] = 50,
) -> Response:
    """Dead letters, newest first. A page may be short before the end: go on while there is a `next`."""
    found, following = await context.letters.page(owner, cursor=cursor, limit=limit)
    return page_answer(request, {"dead_letters": [letters.document(dead) for dead in found], "next": following})


@router.get(
    "/v1/dead-letters/{letter_id:letter}", response_model=WholeDeadLetter, responses=problems(), summary="Inspect one"
)
async def get_letter(letter_id: str, context: ContextDep, owner: OperatorDep) -> Response:
    """One dead letter with the fields of its entry as they came."""
    return json_answer(letters.document(await context.letters.get(owner, letter_id), whole=True))


@router.post(
    "/v1/dead-letters/replay",
    response_model=ReplayedMany,
    responses=problems(InvalidParameter, Overloaded),
    summary="Put back many",
)
async def replay_many(
    context: ContextDep,
    owner: OperatorDep,
    cursor: Annotated[Short | None, Absent, Query(description="`next` of the answer before.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST, description="How many at most.")] = 100,
) -> Response:
    """Put back the oldest dead letters, no faster than the rate that is set; go on while there is a `next`.

    One that cannot be put back (its job was deleted or is done, say) is passed over and counts among those that remain.
    """
    replayed: list[dict[str, str | None]] = []
    looked_at, reached, following = 0, cursor, None
    async for after, dead in context.letters.oldest(owner, cursor=cursor):
        if len(replayed) == limit or looked_at == _MOST_LOOKED_AT:
            following = reached
            break
        looked_at, reached = looked_at + 1, after
        if dead is not None and (job := await _put_back(context, dead)) is not None:
            replayed.append(job)
            await asyncio.sleep(1 / context.settings.replay_rate)
    return json_answer({"replayed": replayed, "remaining": await context.letters.count(owner), "next": following})


async def _put_back(context: Context, dead: letters.Dead) -> dict[str, str | None] | None:
    """What was put back; none when that cannot be."""
    try:
        return {"id": dead.id, "job_id": await context.replayer.put_back(dead)}
    except (NotFound, Expired, NotFailed) as error:
        log.info("not replayed", letter=dead.id, reason=error.message)
        return None


@router.post(
    "/v1/dead-letters/{letter_id:letter}/replay",
    status_code=202,
    response_model=Replayed,
    responses=problems(Expired, NotFailed, Overloaded),
    summary="Put one back",
)
async def replay(letter_id: str, context: ContextDep, owner: OperatorDep) -> Response:
    """Put the event back on its stream: the same job, its next run, with a trace that links the one before."""
    dead = await context.letters.get(owner, letter_id)
    return json_answer({"id": dead.id, "job_id": await context.replayer.put_back(dead)}, 202)


@router.delete("/v1/dead-letters/{letter_id:letter}", status_code=204, responses=problems(), summary="Drop one")
async def drop(letter_id: str, context: ContextDep, owner: OperatorDep) -> Response:
    """Remove a dead letter for good. Its job stays failed."""
    dead = await context.letters.get(owner, letter_id)
    await context.redis.xdel(keys.dead(dead.place.partition), dead.place.entry_id)
    log.info("dead letter dropped", letter=dead.id, job_id=dead.letter.job_id or None)
    return Response(status_code=204)
