"""The first directory of a TIFF structure: that of a TIFF file, or of an EXIF block.

Source: TIFF 6.0 (Adobe, 1992), section 2. It comes from strangers: what is malformed ends the walk, it never raises.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

ORIENTATION: Final = 0x0112
ICC_PROFILE: Final = 0x8773
#: Kinds of values: 16-bit numbers, and bytes without a meaning of their own.
SHORT: Final = 3
UNDEFINED: Final = 7


class Field(NamedTuple):
    """One entry: its tag, the kind and number of its values, and where its four bytes of value or offset are."""

    order: str
    tag: int
    kind: int
    length: int
    at: int


def fields(data: bytes | memoryview) -> Iterator[Field]:
    """The entries of the first directory, in the order of the file."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(bytes(data[:4]))
    if order is None or len(data) < 14:
        return
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    if start + 2 > len(data):
        return
    entries = struct.unpack_from(f"{order}H", data, start)[0]
    for offset in range(start + 2, min(start + 2 + 12 * entries, len(data) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, offset)
        yield Field(order, tag, kind, count, offset + 8)


def number(data: bytes | memoryview, tag: int) -> int | None:
    """The one 16-bit number that a tag has, none when it has none, more or others."""
    for field in fields(data):
        if (field.tag, field.kind, field.length) == (tag, SHORT, 1):
            value: int = struct.unpack_from(f"{field.order}H", data, field.at)[0]
            return value
    return None


def block(data: bytes | memoryview, tag: int, longest: int) -> bytes | None:
    """The bytes that a tag holds; none when there are none, more than `longest`, or they do not lie in the data."""
    for field in fields(data):
        if field.tag == tag and field.kind in (1, UNDEFINED) and 4 < field.length <= longest:
            start = struct.unpack_from(f"{field.order}I", data, field.at)[0]
            found = bytes(data[start : start + field.length])
            return found if len(found) == field.length else None
    return None
