"""Byte ranges and entity tags of HTTP (RFC 9110, sections 13 and 14)."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{1,18})?|-\s*(\d{1,18}))", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class Span(NamedTuple):
    """The bytes from `start` up to, not including, `end`."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """The range lies outside of the object."""


def parse_range(header: str | None, size: int) -> Span | None:
    """The one range that a Range header asks for; none when the whole object is to be sent.

    A header that is malformed, of another unit, or asks for several ranges is ignored, as the RFC allows. Raises
    Unsatisfiable when the range begins behind the end.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        if int(suffix) == 0 or size == 0:
            raise Unsatisfiable
        return Span(max(0, size - int(suffix)), size)
    if last is not None and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Unsatisfiable
    return Span(int(first), size if last is None else min(int(last) + 1, size))


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this entity tag (weak comparison) or any."""
    if header is None:
        return False
    return header.strip() == "*" or etag in _TAG.findall(header)
