"""What the routes of the results service work with."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from services.results.letters import Letters
from services.results.listen import Listener
from services.results.metrics import ResultsMetrics
from services.results.overview import Overview
from services.results.reader import Reader
from services.results.replay import Replayer
from services.results.settings import ResultsSettings
from shared.access import admit
from shared.blobs import BlobStore
from shared.links import Links
from shared.scripts import RedisClient


@dataclass(frozen=True, slots=True)
class Context:
    settings: ResultsSettings
    redis: RedisClient
    reader: Reader
    listener: Listener
    letters: Letters
    replayer: Replayer
    overview: Overview
    store: BlobStore
    metrics: ResultsMetrics
    links: Links | None


async def _context(request: Request) -> Context:
    return cast("Context", request.app.state.context)


async def _reader(request: Request) -> str:
    return admit(request, "read").owner


async def _submitter(request: Request) -> str:
    return admit(request, "submit").owner


async def _operator(request: Request) -> str:
    return admit(request, "operate").owner


async def _holder(request: Request) -> str:
    """The owner whose picture a signed link opens, else the one whose key it is."""
    links = (await _context(request)).links
    signed = links.owner_of(request.url.path, request.query_params) if links is not None else None
    return signed if signed is not None else await _reader(request)


ContextDep = Annotated[Context, Depends(_context)]
#: The owner that asks, whose jobs alone the request may see: to read them, to change them, to operate the queue.
OwnerDep = Annotated[str, Depends(_reader)]
SubmitterDep = Annotated[str, Depends(_submitter)]
OperatorDep = Annotated[str, Depends(_operator)]
#: Likewise, of a picture that a signed link may lead to.
HolderDep = Annotated[str, Depends(_holder)]
