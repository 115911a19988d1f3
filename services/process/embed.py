"""Puts EXIF and an ICC profile into animations that OpenCV has written, which it does for stills only.

Sources: W3C PNG third edition, 11.3.2.3 and 11.3.4.5; RFC 9649, 2.7 (WebP).
"""

import struct
import zlib
from typing import Final

from services.process.containers import Metadata

#: Where the first chunk of a PNG ends: the signature, and IHDR with its 13 bytes.
_AFTER_IHDR: Final = 8 + 12 + 13
#: Where the first chunk of an animated WebP, VP8X with its 10 bytes, begins and ends.
_VP8X: Final = slice(12, 12 + 8 + 10)
#: Bits in the first byte of VP8X.
_HAS_ICC: Final = 0x20
_HAS_EXIF: Final = 0x08


def embed(kind: str, data: memoryview, metadata: Metadata) -> bytes | memoryview:
    """The same `png` or `webp` animation with the metadata in it; one of another kind as it is."""
    if not (metadata.exif or metadata.icc):
        return data
    if kind == "png":
        return _in_png(data, metadata)
    return _in_webp(data, metadata) if kind == "webp" else data


def _in_png(data: memoryview, metadata: Metadata) -> bytes:
    added = b""
    if metadata.icc:
        added += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(metadata.icc))
    if metadata.exif:
        added += _chunk(b"eXIf", metadata.exif)
    return b"".join([data[:_AFTER_IHDR], added, data[_AFTER_IHDR:]])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _in_webp(data: memoryview, metadata: Metadata) -> bytes | memoryview:
    head = bytearray(data[_VP8X])
    if head[:4] != b"VP8X":
        return data
    icc = exif = b""
    if metadata.icc:
        icc = _piece(b"ICCP", metadata.icc)
        head[8] |= _HAS_ICC
    if metadata.exif:
        exif = _piece(b"EXIF", metadata.exif)
        head[8] |= _HAS_EXIF
    inside = b"".join([b"WEBP", head, icc, data[_VP8X.stop :], exif])
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def _piece(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
