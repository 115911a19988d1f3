"""EXIF and ICC data inside JPEG, PNG, WebP, AVIF and TIFF files, found without decoding.

Sources: ITU-T T.81 annex B and JEITA CP-3451 (JPEG, EXIF), ICC.1:2022 annex B.4 (profiles in JPEG), W3C PNG third
edition, RFC 9649 (WebP), ICC.1:2022 annex B.3 (TIFF). Files come from strangers: what is malformed ends the walk, it
never raises.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.process import directory
from shared.avif import read_avif, read_exif

_EXIF_HEAD: Final = b"Exif\x00\x00"
_ICC_HEAD: Final = b"ICC_PROFILE\x00"
#: A profile or EXIF block is never longer than this many bytes; a longer one is dropped.
LONGEST_BLOCK: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Metadata:
    """The EXIF block (a TIFF structure, without any head) and the ICC profile of a file, where it has them."""

    exif: bytes | None = None
    icc: bytes | None = None


def metadata(kind: str, data: memoryview) -> Metadata:
    """The metadata of a `jpeg`, `png`, `webp` or `avif` file; of a `tiff` file its profile; of others none.

    The EXIF of a TIFF file is spread over the file itself, among what tells its pixels, and stays there.
    """
    read = {"jpeg": _of_jpeg, "png": _of_png, "webp": _of_webp, "avif": _of_avif, "tiff": _of_tiff}.get(kind)
    return read(data) if read else Metadata()


def orientation_in(exif: bytes) -> int:
    """The orientation (1 to 8) that an EXIF block names, 1 when it names none."""
    place = _orientation_place(exif)
    if place is None:
        return 1
    order, offset = place
    value: int = struct.unpack_from(f"{order}H", exif, offset)[0]
    return value if value in range(1, 9) else 1


def upright(exif: bytes) -> bytes:
    """The same EXIF block with the orientation set to 1, for pixels that were turned."""
    place = _orientation_place(exif)
    if place is None:
        return exif
    order, offset = place
    changed = bytearray(exif)
    struct.pack_into(f"{order}H", changed, offset, 1)
    return bytes(changed)


def _orientation_place(exif: bytes) -> tuple[str, int] | None:
    """Byte order and offset of the orientation's value in the first directory."""
    for field in directory.fields(exif):
        if (field.tag, field.kind, field.length) == (directory.ORIENTATION, directory.SHORT, 1):
            return field.order, field.at
    return None


def _of_jpeg(data: memoryview) -> Metadata:
    exif: bytes | None = None
    pieces: dict[int, bytes] = {}
    for marker, body in _segments(data):
        if marker == 0xE1 and exif is None and bytes(body[:6]) == _EXIF_HEAD:
            exif = bytes(body[6:])
        elif marker == 0xE2 and bytes(body[:12]) == _ICC_HEAD and len(body) > 14:
            pieces[body[12]] = bytes(body[14:])
    icc = b"".join(pieces[number] for number in sorted(pieces))
    return Metadata(exif, icc or None)


def _segments(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The segments of a JPEG before its first scan: marker and content."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if marker in (0xDA, 0xD9) or length < 2:
            return
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def png_is_whole(data: memoryview) -> bool:
    """Whether all chunks of a PNG end within the file; OpenCV makes room for one before it looks for its bytes."""
    return all(len(body) == length for _, length, body in _chunks(data))


def _chunks(data: memoryview) -> Iterator[tuple[bytes, int, memoryview]]:
    """The chunks of a PNG: kind, length as stated, and what there is of the content."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, length, data[at + 8 : at + 8 + length]
        at += 12 + length


def _of_png(data: memoryview) -> Metadata:
    exif: bytes | None = None
    icc: bytes | None = None
    for kind, length, body in _chunks(data):
        if kind == b"eXIf" and length <= LONGEST_BLOCK:
            exif = bytes(body)
        elif kind == b"iCCP" and length <= LONGEST_BLOCK:
            icc = _inflated(bytes(body))
    return Metadata(exif, icc)


def _inflated(body: bytes) -> bytes | None:
    """The profile in an iCCP chunk (name, zero, method, zlib stream); none when damaged or too long."""
    _, zero, rest = body.partition(b"\x00")
    if not zero or rest[:1] != b"\x00":
        return None
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], LONGEST_BLOCK)
    except zlib.error:
        return None
    return profile if inflater.eof else None


def _of_webp(data: memoryview) -> Metadata:
    exif: bytes | None = None
    icc: bytes | None = None
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if kind == b"EXIF" and length <= LONGEST_BLOCK:
            exif = bytes(body).removeprefix(_EXIF_HEAD)
        elif kind == b"ICCP" and length <= LONGEST_BLOCK:
            icc = bytes(body)
        at += 8 + length + (length & 1)
    return Metadata(exif, icc)


def _of_avif(data: memoryview) -> Metadata:
    return Metadata(read_exif(data, LONGEST_BLOCK), read_avif(data).icc)


def _of_tiff(data: memoryview) -> Metadata:
    return Metadata(icc=directory.block(data, directory.ICC_PROFILE, LONGEST_BLOCK))
