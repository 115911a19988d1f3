"""What can be told about an image from its header, without decoding a pixel.

The media type comes from the first bytes, never from a file name or a header of the request. A header that lies is
found out later, by the process service.
"""

import struct
from typing import Final, NamedTuple

from services.ingest.headers import Contents, size_of
from shared.errors import CorruptImage, TooManyPixels, UnsupportedMedia

#: What Darkroom reads, for messages and documents.
MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/avif", "image/tiff", "image/gif")

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
_AVIF_BRANDS: Final = (b"avif", b"avis")
#: Bytes of a file type box that are looked at; it names a brand in every four.
_BRANDS_END: Final = 1024


class Header(NamedTuple):
    """Media type, and width and height in pixels as a viewer shows the image."""

    media_type: str
    width: int
    height: int


def inspect(contents: Contents, *, max_pixels: int) -> Header:
    """Read the header of a whole image. Raises UnsupportedMedia, CorruptImage, TooManyPixels."""
    media_type = media_type_of(contents)
    try:
        width, height = size_of(media_type, contents)
    except (ValueError, IndexError, struct.error) as error:
        raise CorruptImage(f"The header of this {media_type} image does not say how large it is.") from error
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The image has {width} x {height} pixels; at most {max_pixels} are allowed.",
            width=width,
            height=height,
            allowed=max_pixels,
        )
    return Header(media_type, width, height)


def media_type_of(contents: Contents) -> str:
    """The media type that the first bytes tell; raises UnsupportedMedia for what Darkroom does not read."""
    head = contents[:16]
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and _is_avif(contents):
        return "image/avif"
    raise UnsupportedMedia("This is not a JPEG, PNG, WebP, AVIF, TIFF or GIF image.", allowed=list(MEDIA_TYPES))


def _is_avif(contents: Contents) -> bool:
    """Whether the file type box (ISO/IEC 14496-12, 4.3) names an AVIF brand as its own or as a compatible one."""
    box = contents[: min(int.from_bytes(contents[:4], "big"), _BRANDS_END)]
    brands = [box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))]
    return any(brand in _AVIF_BRANDS for brand in brands)
