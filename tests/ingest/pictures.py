"""Image files made for tests."""

import struct
import zlib
from io import BytesIO

from PIL import Image


def picture(kind: str = "JPEG", width: int = 40, height: int = 30, shade: int = 120) -> bytes:
    """A small real image file of one of Pillow's formats."""
    out = BytesIO()
    Image.new("RGB", (width, height), (shade, 80, 40)).save(out, kind)
    return out.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header names this size; there are no pixels in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")
