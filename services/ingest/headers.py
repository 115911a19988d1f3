"""Width and height from the header of an image, without decoding a pixel.

JPEG and PNG, which are nearly all of the traffic, are read here; AVIF by `shared.avif`, the rest by imagesize. Files
come from strangers, so every walk is bounded: no header costs more time than an honest one.
"""

import mmap
import re
import struct
from io import SEEK_SET, BytesIO
from typing import Final

import imagesize

from shared.avif import read_avif

Contents = bytes | mmap.mmap

#: Segments before the frame header of an honest JPEG: those of the largest profiles and thumbnails are a few hundred.
_MOST_SEGMENTS: Final = 2048
#: Bytes that are searched for the next marker; between segments there is no more than padding.
_PADDING: Final = 1024
_MARKER: Final = re.compile(rb"\xff([^\x00\xff])")
#: Markers that stand alone (ITU-T T.81, table B.1).
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1, _EOI, _SOS = 0xE1, 0xD9, 0xDA
#: Tag of the orientation in EXIF, and its values that swap width and height.
_ORIENTATION: Final = 0x0112
_SIDEWAYS: Final = range(5, 9)
_MOST_TAGS: Final = 512
#: Reads that imagesize may do.
_MOST_READS: Final = 4096


def size_of(media_type: str, contents: Contents) -> tuple[int, int]:
    """Width and height in pixels as a viewer shows the image. Raises ValueError when the header does not say."""
    width, height = _READERS.get(media_type, _other)(contents)
    if width < 1 or height < 1:
        raise ValueError("no size")
    return width, height


def _png(contents: Contents) -> tuple[int, int]:
    head = contents[12:24]
    if len(head) < 12 or head[:4] != b"IHDR":
        raise ValueError("no header chunk")
    width, height = struct.unpack_from(">II", head, 4)
    return width, height


def _jpeg(contents: Contents) -> tuple[int, int]:
    at = 2
    sideways = False
    for _ in range(_MOST_SEGMENTS):
        marker = _MARKER.search(contents, at, at + _PADDING)
        if marker is None:
            break
        kind, at = marker[1][0], marker.end()
        if kind in _ALONE:
            continue
        segment = contents[at : at + 8]
        if kind in (_EOI, _SOS) or len(segment) < 8:
            break
        if kind in _FRAMES:
            height, width = struct.unpack_from(">HH", segment, 3)
            return (height, width) if sideways else (width, height)
        length = int.from_bytes(segment[:2], "big")
        if kind == _APP1 and segment[2:] == b"Exif\0\0":
            sideways = _orientation(contents[at + 8 : at + length]) in _SIDEWAYS
        at += max(length, 2)
    raise ValueError("no frame header")


def _orientation(exif: bytes) -> int:
    """The orientation in a TIFF structure (1 to 8), 1 when it has none that can be read."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    (tags,) = struct.unpack_from(f"{order}H", exif, at) if at + 2 <= len(exif) else (0,)
    for number in range(min(tags, _MOST_TAGS)):
        start = at + 2 + 12 * number
        if start + 12 > len(exif):
            break
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, start)
        if tag == _ORIENTATION:
            return int(value)
    return 1


def _avif(contents: Contents) -> tuple[int, int]:
    header = read_avif(memoryview(contents))
    if header.orientation in _SIDEWAYS:
        return header.height, header.width
    return header.width, header.height


def _other(contents: Contents) -> tuple[int, int]:
    width, height = imagesize.get(_FrugalReader(contents))
    return int(width), int(height)


_READERS: Final = {"image/jpeg": _jpeg, "image/png": _png, "image/avif": _avif}


class _FrugalReader:
    """A file for imagesize that fails after a number of reads that no honest header needs."""

    def __init__(self, contents: Contents) -> None:
        self._file: BytesIO | mmap.mmap = BytesIO(contents) if isinstance(contents, bytes) else contents
        self._file.seek(0)
        self._left = _MOST_READS

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("the header takes too many reads")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        # A mapped file refuses to go past its end. imagesize takes that for what it is: a header that is wrong.
        if isinstance(self._file, BytesIO):
            return self._file.seek(offset, whence)
        self._file.seek(offset, whence)  # type: ignore[arg-type] # typeshed wants literals for whence
        return self._file.tell()
