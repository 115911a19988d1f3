"""What can be told about an image from its header, without decoding a pixel.

The media type comes from the first bytes, never from a file name or a header of the request. A header that lies is
found out later, by the process service.
"""

import mmap
from io import SEEK_SET, BytesIO
from typing import Final, NamedTuple

import imagesize

from shared.errors import CorruptImage, TooManyPixels, UnsupportedMedia

#: What Darkroom reads, for messages and documents.
MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/avif", "image/tiff", "image/gif")

#: Reads that the header of an honest image takes at most; a hostile one could otherwise keep the parser busy.
_MOST_READS: Final = 4096

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
)
_AVIF_BRANDS: Final = (b"avif", b"avis")


class Header(NamedTuple):
    """Media type, and width and height in pixels as a viewer shows the image."""

    media_type: str
    width: int
    height: int


def inspect(contents: bytes | mmap.mmap, *, max_pixels: int) -> Header:
    """Read the header of a whole image. Raises UnsupportedMedia, CorruptImage, TooManyPixels."""
    media_type = media_type_of(contents)
    reader = _FrugalReader(contents)
    width, height = imagesize.get(reader)
    if reader.refused or width < 1 or height < 1:
        raise CorruptImage(f"The header of this {media_type} image does not say how large it is.")
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The image has {width} x {height} pixels; at most {max_pixels} are allowed.",
            width=width,
            height=height,
            allowed=max_pixels,
        )
    return Header(media_type, width, height)


def media_type_of(contents: bytes | mmap.mmap) -> str:
    """The media type that the first bytes tell; raises UnsupportedMedia for what Darkroom does not read."""
    head = contents[:16]
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and _is_avif(contents):
        return "image/avif"
    raise UnsupportedMedia(
        "This is not a JPEG, PNG, WebP, AVIF, TIFF or GIF image.",
        allowed=list(MEDIA_TYPES),
    )


def _is_avif(contents: bytes | mmap.mmap) -> bool:
    """Whether the file type box (ISO/IEC 14496-12, 4.3) names an AVIF brand as its own or as a compatible one."""
    box = contents[: min(int.from_bytes(contents[:4], "big"), 1024)]
    brands = [box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))]
    return any(brand in _AVIF_BRANDS for brand in brands)


class _FrugalReader:
    """A file for imagesize that gives up after a number of reads that no honest header needs."""

    def __init__(self, contents: bytes | mmap.mmap) -> None:
        self._file: BytesIO | mmap.mmap = BytesIO(contents) if isinstance(contents, bytes) else contents
        self._file.seek(0)
        self._left = _MOST_READS
        self.refused = False

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            self.refused = True
            raise ValueError("the header takes too many reads")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        # A mapped file refuses to go past its end. imagesize takes that for what it is: a header that is wrong.
        if isinstance(self._file, BytesIO):
            return self._file.seek(offset, whence)
        self._file.seek(offset, whence)  # type: ignore[arg-type] # typeshed wants literals for whence
        return self._file.tell()
