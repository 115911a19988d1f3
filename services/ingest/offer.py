"""The catalogue of filters as ingest offers it: read from Redis at most every few seconds."""

import time
from dataclasses import dataclass, field
from typing import Final

import msgspec

from shared import catalogue
from shared.catalogue import FilterDocument
from shared.chain import parse_chain
from shared.events import FilterSpec
from shared.scripts import RedisClient

#: Written chains that are remembered as valid, and the longest such text in characters.
_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The filters at one time; `body` is the answer of GET /v1/filters."""

    filters: list[FilterDocument]
    body: bytes
    read: float
    chains: dict[str, list[FilterSpec]] = field(default_factory=dict)


class Offer:
    """What filters there are, and whether a chain fits them."""

    def __init__(self, redis: RedisClient, ttl: float) -> None:
        self._redis = redis
        self._ttl = ttl
        self._snapshot: Snapshot | None = None

    async def current(self) -> Snapshot:
        """The filters now, at most `ttl` seconds old. Raises NoCatalogue, or what Redis raises while it is away."""
        known = self._snapshot
        if known is not None and time.monotonic() - known.read < self._ttl:
            return known
        filters = await catalogue.offered(self._redis)
        body = msgspec.json.encode({"filters": filters})
        if known is not None and known.body == body:
            fresh = Snapshot(known.filters, body, time.monotonic(), known.chains)
        else:
            fresh = Snapshot(filters, body, time.monotonic())
        self._snapshot = fresh
        return fresh

    async def check(self, text: str) -> list[FilterSpec]:
        """Read a chain in either written form; raises UnknownFilter or InvalidParameter, saying what is allowed."""
        snapshot = await self.current()
        chain = snapshot.chains.get(text)
        if chain is None:
            chain = parse_chain(text)
            catalogue.check_chain(chain, snapshot.filters)
            if len(snapshot.chains) < _REMEMBERED and len(text) <= _LONGEST_REMEMBERED:
                snapshot.chains[text] = chain
        return chain
