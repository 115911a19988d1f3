"""Pages of jobs, newest first, across all partitions."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from services.results.reader import Reader
from shared import keys
from shared.errors import InvalidParameter, NotFound
from shared.records import JobRecord
from shared.scripts import RedisClient

#: Index entries that one request looks at; a page that would need more is cut short, with a cursor.
_BUDGET: Final = 2000


class Position(NamedTuple):
    """A place in the order of all jobs: newest first, then by id downwards."""

    created: int
    job_id: str


@dataclass(slots=True)
class _Shelf:
    """One sorted set of job ids, read piece by piece downwards from a position."""

    redis: RedisClient
    partition: int
    key: str
    after: Position | None
    ahead: list[Position] = field(default_factory=list)
    _skip: int = 0
    _over: bool = False

    async def fill(self, count: int) -> None:
        """Read at least `count` positions ahead, unless there are no more."""
        newest: float | str = self.after.created if self.after else "+inf"
        while len(self.ahead) < count and not self._over:
            found: Any = await self.redis.zrevrangebyscore(
                self.key, newest, "-inf", start=self._skip, num=count, withscores=True
            )
            self._skip += len(found)
            self._over = len(found) < count
            places = (Position(int(score), member.decode()) for member, score in found)
            self.ahead += [place for place in places if self.after is None or place < self.after]


async def list_jobs(
    reader: Reader, owner: str, *, state: str | None, batch: str | None, cursor: str | None, limit: int
) -> tuple[list[JobRecord], str | None]:
    """One page of records and the cursor of the next one. Raises InvalidParameter for a cursor that is none."""
    after = _read_cursor(cursor) if cursor is not None else None
    shelves = [_Shelf(reader.redis, partition, key, after) for partition, key in await _sets(reader, owner, batch)]
    page: list[JobRecord] = []
    last = after
    looked_at = 0
    while len(page) < limit:
        window = await _next(shelves, limit)
        if not window:
            return page, None
        for (shelf, place), record in zip(window, await _read(reader, owner, window), strict=True):
            shelf.ahead.pop(0)
            last = place
            if record is not None and record.state != "deleted" and state in (None, record.state):
                page.append(record)
                if len(page) == limit:
                    break
        looked_at += len(window)
        if looked_at >= _BUDGET:
            break
    more = last is not None and bool(await _next(shelves, 1))
    return page, _write_cursor(last) if more and last is not None else None


async def _sets(reader: Reader, owner: str, batch: str | None) -> list[tuple[int, str]]:
    if batch is None:
        return [(partition, keys.index(partition, owner)) for partition in range(reader.partitions)]
    try:
        found = await reader.batch(owner, batch)
    except NotFound:
        return []
    return [(found.partition, keys.batch_jobs(found.partition, found.id))]


async def _next(shelves: Sequence[_Shelf], count: int) -> list[tuple[_Shelf, Position]]:
    """The next `count` positions over all shelves, left where they are."""
    for shelf in shelves:
        await shelf.fill(count)
    places = [(shelf, place) for shelf in shelves for place in shelf.ahead[:count]]
    places.sort(key=lambda item: item[1], reverse=True)
    return places[:count]


async def _read(reader: Reader, owner: str, window: Sequence[tuple[_Shelf, Position]]) -> list[JobRecord | None]:
    by_partition: dict[int, list[str]] = {}
    for shelf, place in window:
        by_partition.setdefault(shelf.partition, []).append(place.job_id)
    found: dict[str, JobRecord | None] = {}
    for partition, job_ids in by_partition.items():
        found.update(zip(job_ids, await reader.jobs(owner, partition, job_ids), strict=True))
    return [found[place.job_id] for _, place in window]


def _write_cursor(place: Position) -> str:
    return base64.urlsafe_b64encode(f"{place.created}:{place.job_id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> Position:
    try:
        created, _, job_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").partition(":")
        place = Position(int(created), job_id)
    except (ValueError, binascii.Error) as error:
        raise _not_a_cursor() from error
    if not keys.is_id(job_id):
        raise _not_a_cursor()
    return place


def _not_a_cursor() -> InvalidParameter:
    return InvalidParameter("cursor must be `next` of an earlier page.", parameter="cursor")
