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
from shared.blobs import BlobStore
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


async def _context(request: Request) -> Context:
    return cast("Context", request.app.state.context)


async def owner_of(request: Request) -> str:  # noqa: ARG001 - without API keys every caller is the local user
    """The owner whose jobs this request may see. The one door that API keys will come through."""
    return "local"


ContextDep = Annotated[Context, Depends(_context)]
OwnerDep = Annotated[str, Depends(owner_of)]
