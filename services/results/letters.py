"""Dead letters as they lie in their streams: finding them, one or page by page."""

import base64
import binascii
import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from shared import keys
from shared.dead_letters import ENTRY_PREFIX, NOBODY, Letter, owner_told
from shared.errors import InvalidParameter, NotFound
from shared.records import timestamp
from shared.scripts import RedisClient

_ID = re.compile(r"(0|[1-9]\d{0,4})-(\d{1,19}-\d{1,19})")
_ORIGINAL = re.compile(r"originals/(\d{4}-\d{2}-\d{2})/")
_decoder = msgspec.json.Decoder(Letter)
#: Entries of one stream that are read at once, and those that one request looks at.
_CHUNK: Final = 100
_BUDGET: Final = 2000
#: No number in the id of an entry is as large.
_BEYOND: Final = 2**64


class Place(NamedTuple):
    """Where a dead letter lies. Places are ordered by time, then by partition."""

    milliseconds: int
    sequence: int
    partition: int

    @property
    def entry_id(self) -> str:
        return f"{self.milliseconds}-{self.sequence}"


@dataclass(frozen=True, slots=True)
class Dead:
    """One dead letter: where it lies, what is known of it, and the fields of the entry as it came."""

    place: Place
    letter: Letter
    fields: Mapping[bytes, bytes]

    @property
    def id(self) -> str:
        return f"{self.place.partition}-{self.place.entry_id}"


def place_of(letter_id: str, partitions: int) -> Place:
    """Read an id of the HTTP interface, `<partition>-<entry id>`. Raises NotFound."""
    match = _ID.fullmatch(letter_id)
    if match is None or int(match.group(1)) >= partitions:
        raise NotFound("There is no such dead letter.")
    return _place(match.group(2), int(match.group(1)))


class _Sourced(msgspec.Struct, frozen=True):
    """What matters here of the event in a dead letter."""

    source: str = ""


_sourced = msgspec.json.Decoder(_Sourced)


class Letters:
    """Reads dead letters as their owner may see them."""

    def __init__(self, redis: RedisClient, *, partitions: int) -> None:
        self.redis = redis
        self.partitions = partitions

    async def get(self, owner: str, letter_id: str) -> Dead:
        """One dead letter. Raises NotFound."""
        place = place_of(letter_id, self.partitions)
        found: Any = await self.redis.xrange(keys.dead(place.partition), place.entry_id, place.entry_id)
        dead = _read(place, found[0][1]) if found else None
        if dead is None or not _may_see(owner, dead):
            raise NotFound("There is no such dead letter.")
        return dead

    async def page(self, owner: str, *, cursor: str | None, limit: int) -> tuple[list[Dead], str | None]:
        """Dead letters, newest first, and the cursor of the next page. Raises InvalidParameter for a wrong cursor."""
        after = _read_cursor(cursor) if cursor is not None else None
        found: list[Dead] = []
        cut = False
        for partition in range(self.partitions):
            own, was_cut = await self._newest(owner, partition, after, limit + 1)
            found += own
            cut = cut or was_cut
        found.sort(key=lambda dead: dead.place, reverse=True)
        page = found[:limit]
        return page, _write_cursor(page[-1].place) if page and (len(found) > limit or cut) else None

    async def oldest(self, owner: str, *, cursor: str | None) -> AsyncIterator[tuple[str, Dead | None]]:
        """The dead letters of each partition in the order in which they died, read as they are asked for.

        With each comes the cursor of what follows; instead of a letter that `owner` may not see comes none. Raises
        InvalidParameter for a wrong cursor.
        """
        after = _read_cursor(cursor) if cursor is not None else None
        for partition in range(after.partition if after else 0, self.partitions):
            first = f"({after.entry_id}" if after is not None and after.partition == partition else "-"
            async for entries in self._read_all(partition, first):
                for entry_id, fields in entries:
                    place = _place(entry_id.decode(), partition)
                    dead = _read(place, fields)
                    yield _write_cursor(place), dead if _may_see(owner, dead) else None

    async def days_of_originals(self, among: Collection[str]) -> set[str]:
        """Those of some UTC days whose originals a dead letter names, whoever owns it: its replay reads them."""
        found: set[str] = set()
        for partition in range(self.partitions):
            async for entries in self._read_all(partition):
                found |= {day for _, fields in entries if (day := _day_of_original(fields)) in among}
                if len(found) == len(among):
                    return found
        return found

    async def count(self, owner: str) -> int:
        """The dead letters that an owner may see."""
        count = 0
        for partition in range(self.partitions):
            async for entries in self._read_all(partition):
                count += len(_of(owner, partition, entries))
        return count

    async def _read_all(self, partition: int, first: str = "-") -> AsyncIterator[Any]:
        """All entries of one partition from an id on, oldest first, many at a time."""
        while True:
            entries: Any = await self.redis.xrange(keys.dead(partition), first, "+", count=_CHUNK)
            yield entries
            if len(entries) < _CHUNK:
                return
            first = f"({entries[-1][0].decode()}"

    async def _newest(self, owner: str, partition: int, after: Place | None, limit: int) -> tuple[list[Dead], bool]:
        last = "+" if after is None else f"{'' if partition < after.partition else '('}{after.entry_id}"
        found: list[Dead] = []
        for _ in range(_BUDGET // _CHUNK):
            entries: Any = await self.redis.xrevrange(keys.dead(partition), last, "-", count=_CHUNK)
            found += _of(owner, partition, entries)
            if len(found) >= limit or len(entries) < _CHUNK:
                return found[:limit], False
            last = f"({entries[-1][0].decode()}"
        return found, True


def document(dead: Dead, *, whole: bool = False) -> dict[str, Any]:
    """The document of the HTTP interface; `whole` adds the fields of the entry."""
    letter = dead.letter
    about: dict[str, Any] = {
        "id": dead.id,
        "stream": letter.stream,
        "entry_id": letter.entry_id,
        "job_id": letter.job_id or None,
        "owner": letter.owner or None,
        "run": letter.run,
        "code": letter.code,
        "message": letter.message,
        "attempts": letter.attempts,
        "worker": letter.worker,
        "at": timestamp(letter.at),
        "trace": letter.trace or None,
    }
    if whole:
        about["fields"] = {_shown(name): _shown(value) for name, value in dead.fields.items()}
    return about


def _of(owner: str, partition: int, entries: Any) -> list[Dead]:  # noqa: ANN401 - as redis-py gives them
    read = (_read(_place(entry_id.decode(), partition), fields) for entry_id, fields in entries)
    return [dead for dead in read if _may_see(owner, dead)]


def _may_see(owner: str, dead: Dead) -> bool:
    return dead.letter.owner in (owner, NOBODY)


def _read(place: Place, fields: Mapping[bytes, bytes]) -> Dead:
    """A letter that was written by hand is shown too, with what can be said of it."""
    original = {name[len(ENTRY_PREFIX) :]: value for name, value in fields.items() if name.startswith(ENTRY_PREFIX)}
    try:
        letter = _decoder.decode(fields.get(b"data", b""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        letter = Letter(
            stream="",
            entry_id="",
            job_id="",
            owner=owner_told(original),
            run=1,
            code="invalid_event",
            message="This dead letter itself cannot be read.",
            attempts=0,
            worker="",
            at=place.milliseconds,
            trace="",
        )
    return Dead(place, letter, original)


def _day_of_original(fields: Mapping[bytes, bytes]) -> str:
    """The day in the key of the original that the event in a letter names; empty when it names none."""
    try:
        event = _sourced.decode(fields.get(ENTRY_PREFIX + b"data", b""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    match = _ORIGINAL.match(event.source)
    return match.group(1) if match else ""


def _place(entry_id: str, partition: int) -> Place:
    milliseconds, _, sequence = entry_id.partition("-")
    return Place(int(milliseconds), int(sequence), partition)


def _shown(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _write_cursor(place: Place) -> str:
    text = f"{place.milliseconds}-{place.sequence}-{place.partition}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> Place:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        place = Place(*(int(part) for part in text.split("-")))
    except (TypeError, ValueError, binascii.Error) as error:
        raise _wrong_cursor() from error
    if max(place) >= _BEYOND:
        raise _wrong_cursor()
    return place


def _wrong_cursor() -> InvalidParameter:
    return InvalidParameter("cursor must be `next` of an earlier page.", parameter="cursor")
