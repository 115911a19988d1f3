"""Server-Sent Events: the live state of one job or of one batch."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.results.answers import problems
from services.results.context import Context, ContextDep, OwnerDep
from services.results.feed import Feed, last_event_id
from services.results.listen import Subscription
from shared.errors import Expired, Overloaded

router = APIRouter(tags=["events"])

_HEADERS: Final = {
    "Cache-Control": "no-store",
    # Buffering proxies would hold events back.
    "X-Accel-Buffering": "no",
}
_DESCRIPTION: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A stream of job documents, each with the version as its id, and an event `end` when all are "
        "terminal. That of a batch which is complete has its document too, as `GET /v1/batches/{id}` answers.",
        "content": {
            "text/event-stream": {
                "example": 'retry: 1000\n\nid: 7\ndata: {"id":"0-…","state":"processing",…}\n\n'
                'id: 8\ndata: {"id":"0-…","state":"done",…}\n\n'
                'id: 8\nevent: end\ndata: {"batch":"0-…","id":"0-…","total":2,"complete":true,…}\n\n'
            }
        },
    }
}

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The id of the last event seen: only later ones are sent.")
]


class EventStream(StreamingResponse):
    """A stream whose source is closed as soon as the client is gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(cast("Any", self.body_iterator)):
            await super().__call__(scope, receive, send)


@router.get(
    "/v1/jobs/{job_id}/events",
    response_class=Response,
    responses={**_DESCRIPTION, **problems(Expired, Overloaded)},
    summary="Follow one job",
)
async def job_events(job_id: str, context: ContextDep, owner: OwnerDep, last_id: LastEventId = None) -> Response:
    """The job now, then each change, until it is terminal, or `deleted` where that happens meanwhile."""
    record = await context.reader.named(owner, job_id)
    # Who comes back to a stream is told of it there, as on one that stayed open.
    if record.state == "deleted" and last_id is None:
        raise Expired("This job was deleted.")
    subscription = Subscription(context.reader.partition_of(record.id), owner, job=record.id)
    return _stream(context, subscription, owner=owner, job=record.id, batch=None, last_id=last_id)


@router.get(
    "/v1/events",
    response_class=Response,
    responses={**_DESCRIPTION, **problems(Overloaded)},
    summary="Follow one batch",
)
async def batch_events(
    context: ContextDep,
    owner: OwnerDep,
    batch: Annotated[str, Query(max_length=256, description="The id of a batch.")],
    last_id: LastEventId = None,
) -> Response:
    """Every job of the batch now, then each change, until all expected jobs are terminal."""
    found = await context.reader.batch(owner, batch)
    subscription = Subscription(found.partition, owner, batch=found.id)
    return _stream(context, subscription, owner=owner, job=None, batch=found.id, last_id=last_id)


def _stream(
    context: Context,
    subscription: Subscription,
    *,
    owner: str,
    job: str | None,
    batch: str | None,
    last_id: str | None,
) -> Response:
    if context.listener.clients >= context.settings.event_streams:
        raise Overloaded("Too many streams of events are open here; try again later.")
    feed = Feed(context.reader, subscription, owner=owner, job=job, batch=batch, trace_url=context.settings.trace_url)
    return EventStream(
        _events(context, subscription, feed, last_event_id(last_id)), headers=_HEADERS, media_type="text/event-stream"
    )


async def _events(
    context: Context, subscription: Subscription, feed: Feed, last_id: int | None
) -> AsyncIterator[bytes]:
    async with context.listener.subscribe(subscription):
        async for event in feed.events(last_id=last_id, keep_alive=context.settings.event_keep_alive):
            yield event
