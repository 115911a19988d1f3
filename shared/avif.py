"""What an AVIF file says of itself before a pixel is decoded: size, turn, colour profile and EXIF.

Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (items and their properties), AV1 Image File Format 1.1. Files come
from strangers: offsets are checked, walks are bounded, and what is malformed raises ValueError.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Properties and items of an honest file; more is a file made to keep a parser busy.
_MOST: Final = 1024
#: (quarter turns anticlockwise, mirror axis) → EXIF orientation. Axis 0 swaps top and bottom, 1 left and right.
_ORIENTATIONS: Final = {
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip

_Box = tuple[bytes, memoryview]


@dataclass(frozen=True, slots=True)
class AvifHeader:
    """Width and height in pixels as stored, the EXIF orientation (1 to 8) that shows it upright, the ICC profile."""

    width: int
    height: int
    orientation: int
    icc: bytes | None


def read_avif(data: bytes | memoryview) -> AvifHeader:
    """Read the properties of the primary item. Raises ValueError when there is none, or it has no size."""
    meta = _first(_boxes(memoryview(data)), b"meta")
    inside = dict(_boxes(meta[4:]))
    pitm, iprp = inside.get(b"pitm"), inside.get(b"iprp")
    if pitm is None or iprp is None:
        raise ValueError("no primary item")
    primary = int.from_bytes(pitm[4 : 6 if pitm[0] == 0 else 8], "big")
    properties = list(_boxes(_first(_boxes(iprp), b"ipco")))
    numbers = _associations(_first(_boxes(iprp), b"ipma")).get(primary, [])
    return _header([properties[number - 1] for number in numbers if 1 <= number <= len(properties)])


def read_exif(data: bytes | memoryview, longest: int) -> bytes | None:
    """The EXIF block (a TIFF structure) of at most `longest` bytes; none unless it lies in the file in one piece.

    Raises ValueError for what `read_avif` cannot read.
    """
    whole = memoryview(data)
    inside = dict(_boxes(_first(_boxes(whole), b"meta")[4:]))
    iinf, iloc = inside.get(b"iinf"), inside.get(b"iloc")
    if iinf is None or iloc is None:
        return None
    try:
        item = _item_of(iinf, b"Exif")
        start, length = _places(iloc).get(item, (0, 0)) if item is not None else (0, 0)
        if not 4 < length <= longest or start + length > len(whole):
            return None
        # The first four bytes tell where behind them the block begins.
        skipped = 4 + struct.unpack_from(">I", whole, start)[0]
    except (struct.error, IndexError):  # a table that is cut short names nothing
        return None
    return bytes(whole[start + skipped : start + length]) or None


def _item_of(iinf: memoryview, kind: bytes) -> int | None:
    """The id of the first item of a kind (ISO/IEC 14496-12, 8.11.6)."""
    for name, body in _boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        if name == b"infe" and len(body) >= 12 and body[0] in (2, 3):
            wide = body[0] == 3
            if bytes(body[10:14] if wide else body[8:12]) == kind:
                return int.from_bytes(body[4 : 8 if wide else 6], "big")
    return None


def _places(iloc: memoryview) -> dict[int, tuple[int, int]]:
    """Item id → where in the file it is and how long, of items that lie in one piece (ISO/IEC 14496-12, 8.11.3)."""
    version, at = iloc[0], 6
    offset_size, length_size = iloc[4] >> 4, iloc[4] & 15
    base_size, index_size = iloc[5] >> 4, iloc[5] & 15 if version else 0

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(iloc):
            raise IndexError(at)
        return int.from_bytes(iloc[at - size : at], "big")

    found: dict[int, tuple[int, int]] = {}
    id_size = 4 if version == 2 else 2
    for _ in range(min(number(id_size), _MOST)):
        item = number(id_size)
        method = number(2) & 15 if version else 0
        number(2)
        base, pieces = number(base_size), number(2)
        places = [(number(index_size), number(offset_size), number(length_size)) for _ in range(min(pieces, _MOST))]
        if len(places) == 1 and method == 0:
            found[item] = (base + places[0][1], places[0][2])
    return found


def _header(properties: list[_Box]) -> AvifHeader:
    size: tuple[int, int] | None = None
    turns, axis, icc = 0, None, None
    for kind, body in properties:
        if kind == b"ispe" and len(body) >= 12:
            size = struct.unpack_from(">II", body, 4)
        elif kind == b"irot" and body:
            turns = body[0] & 3
        elif kind == b"imir" and body:
            axis = body[0] & 1
        elif kind == b"colr" and bytes(body[:4]) in (b"prof", b"rICC"):
            icc = bytes(body[4:])
    if size is None:
        raise ValueError("no size")
    return AvifHeader(size[0], size[1], _ORIENTATIONS[turns, axis], icc)


def _boxes(data: memoryview) -> Iterator[_Box]:
    """The boxes that lie side by side in `data`: type and content. Ends at what does not fit."""
    at = 0
    for _ in range(_MOST):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and at + 16 <= len(data):
            size, start = struct.unpack_from(">Q", data, at + 8)[0], at + 16
        end = len(data) if size == 0 else at + size
        if end < start or end > len(data):
            return
        yield kind, data[start:end]
        at = end


def _first(boxes: Iterator[_Box], kind: bytes) -> memoryview:
    body = next((body for found, body in boxes if found == kind), None)
    if body is None:
        raise ValueError(f"no box {kind.decode()}")
    return body


def _associations(ipma: memoryview) -> dict[int, list[int]]:
    """Item id → numbers of its properties, counted from 1."""
    wide_id, wide_number = ipma[0] >= 1, bool(ipma[3] & 1)
    found: dict[int, list[int]] = {}
    at = 8
    try:
        for _ in range(min(struct.unpack_from(">I", ipma, 4)[0], _MOST)):
            item, count = struct.unpack_from(">IB" if wide_id else ">HB", ipma, at)
            at += 5 if wide_id else 3
            numbers = struct.unpack_from(f">{count}{'H' if wide_number else 'B'}", ipma, at)
            at += count * (2 if wide_number else 1)
            found[item] = [number & (0x7FFF if wide_number else 0x7F) for number in numbers]
    except struct.error as error:
        raise ValueError("item properties are cut short") from error
    return found
