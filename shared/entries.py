"""Entries as a stage reads them from a stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Source:
    """One stream as one consumer group reads it."""

    stream: str
    group: str
    partition: int
    #: Whether this is the low-priority stream.
    bulk: bool = False


class Entry(NamedTuple):
    """One entry: its id, its fields as they came, and how often work on it was started before (0 when fresh)."""

    id: str
    fields: Mapping[bytes, bytes]
    attempts: int = 0

    @property
    def number(self) -> tuple[int, int]:
        """Its place in the stream: milliseconds and sequence number of its id."""
        milliseconds, _, sequence = self.id.partition("-")
        return int(milliseconds), int(sequence)
