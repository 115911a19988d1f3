"""What a file says about itself before a pixel is decoded."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import imagesize

from services.process import containers
from shared.avif import read_avif
from shared.errors import CorruptImage, UnsupportedMedia

#: Format name → media type, for everything that is read here.
MEDIA_TYPES: Final = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "tiff": "image/tiff",
    "gif": "image/gif",
}

#: Format name → test of the first 32 bytes.
_MAGIC: Final[dict[str, Callable[[bytes], bool]]] = {
    "jpeg": lambda head: head.startswith(b"\xff\xd8\xff"),
    "png": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "webp": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "avif": lambda head: head[4:8] == b"ftyp" and (b"avif" in head[8:] or b"avis" in head[8:]),
    "tiff": lambda head: head[:4] in (b"II*\x00", b"MM\x00*"),
    "gif": lambda head: head[:6] in (b"GIF87a", b"GIF89a"),
}


#: What parsers of headers raise on damaged files.
_DAMAGED: Final = (ValueError, LookupError, ArithmeticError, struct.error)


@dataclass(frozen=True, slots=True)
class Header:
    """Format, width and height in pixels as stored, and EXIF orientation (1 to 8, 1 is upright)."""

    format: str
    width: int
    height: int
    orientation: int

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]

    @property
    def turn(self) -> int:
        """The orientation that decoded pixels still have: OpenCV turns those of a TIFF file, even where told not to."""
        return 1 if self.format == "tiff" else self.orientation


def format_of(data: memoryview) -> str | None:
    """The format that the first bytes name, none when it is not one of ours."""
    head = bytes(data[:32])
    return next((name for name, matches in _MAGIC.items() if matches(head)), None)


def read_header(data: memoryview) -> Header:
    """Read the header of an image.

    Raises UnsupportedMedia for what is none of the formats in MEDIA_TYPES, CorruptImage for one without a size.
    """
    kind = format_of(data)
    if kind is None:
        raise UnsupportedMedia(f"This is none of {', '.join(MEDIA_TYPES)}.", allowed=list(MEDIA_TYPES.values()))
    try:
        header = _avif(data) if kind == "avif" else _by_imagesize(kind, data)
    except _DAMAGED as error:
        raise CorruptImage(f"The header of this {kind} file is damaged or cut short.") from error
    if kind == "png" and not containers.png_is_whole(data):
        raise CorruptImage("This png file is damaged or cut short.")
    if header.width < 1 or header.height < 1:
        raise CorruptImage(f"The header of this {kind} file names no size.")
    return header


def _avif(data: memoryview) -> Header:
    found = read_avif(data)
    return Header("avif", found.width, found.height, found.orientation)


def _by_imagesize(kind: str, data: memoryview) -> Header:
    info = imagesize.get_info(io.BytesIO(data), dpi=False, colors=False, exif_rotation=False, channels=False)
    if kind == "tiff":
        orientation = info.rotation if info.rotation in range(1, 9) else 1
    else:
        exif = containers.metadata(kind, data).exif
        orientation = containers.orientation_in(exif) if exif else 1
    return Header(kind, info.width, info.height, orientation)
