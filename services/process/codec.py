"""Files to pixels and back.

Pixels are 8 bits. What a file holds beyond that is reduced on purpose: 16-bit samples are rounded to the nearest of
256 levels, CMYK becomes BGR, palettes become BGR. Alpha is kept where the output's format keeps it.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import simplejpeg

from services.process.header import MEDIA_TYPES, Header
from services.process.limits import Limits
from services.process.picture import Picture, Pixels
from shared.errors import CorruptImage, InvalidParameter, OutOfMemory
from shared.events import Output

#: Formats that are written.
WRITTEN: Final = ("jpeg", "png", "webp", "avif")
#: Quality (1 to 100) when none is asked for. PNG has no quality.
DEFAULT_QUALITY: Final = {"jpeg": 90, "webp": 82, "avif": 60}
_EXTENSION: Final = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif"}
#: Longest side in pixels of each format that has a narrower limit than ours (WebP: RFC 9649, 14 bits).
_LONGEST_SIDE: Final = {"webp": 16_383}
#: AVIF effort, 0 (slow, small) to 10 (fast): libavif's own choice for services that encode on demand.
_AVIF_SPEED: Final = 8


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file in memory with its media type."""

    data: bytes | memoryview
    media_type: str


def decode(data: memoryview, header: Header, limits: Limits) -> Picture:
    """Decode the first picture of a file as it is stored (not yet turned upright).

    Raises CorruptImage for what cannot be decoded, TooManyPixels when there is more than the header said, OutOfMemory.
    """
    pixels = _jpeg(data) if header.format == "jpeg" else None
    if pixels is None:
        pixels = _any_format(data, header)
    limits.check_pixels(pixels.shape[1], pixels.shape[0])
    return _as_picture(_eight_bits(pixels))


def check_output(output: Output) -> None:
    """Raise InvalidParameter unless the output can be had, whatever the picture."""
    if output.format is not None and output.format not in WRITTEN:
        raise InvalidParameter(
            f"format {output.format!r} is not written; allowed are {', '.join(WRITTEN)}.",
            parameter="format",
            allowed=list(WRITTEN),
        )
    if output.quality is not None and not 1 <= output.quality <= 100:
        raise InvalidParameter(f"quality is 1 to 100, not {output.quality}.", parameter="quality", allowed=[1, 100])


def output_format(header: Header, output: Output) -> str:
    """The format that is written: the one asked for, else the source's own, else png."""
    return output.format or (header.format if header.format in WRITTEN else "png")


def encode(picture: Picture, kind: str, quality: int | None) -> Encoded:
    """Encode as `kind`, one of WRITTEN. Raises InvalidParameter for a picture that is too long for the format."""
    longest = _LONGEST_SIDE.get(kind)
    if longest and max(picture.width, picture.height) > longest:
        raise InvalidParameter(
            f"A {kind} picture has sides of at most {longest} pixels, this one is {picture.width}×{picture.height}.",
            parameter="format",
            allowed=longest,
        )
    done, data = cv2.imencode(_EXTENSION[kind], _planes(picture, alpha=kind != "jpeg"), _options(kind, quality))
    if not done:
        raise OutOfMemory(f"There was not enough memory to write this picture as {kind}.")
    return Encoded(data.data, MEDIA_TYPES[kind])


def _jpeg(data: memoryview) -> Pixels | None:
    """A JPEG by libjpeg-turbo; none where it is CMYK or damaged, which OpenCV may still read."""
    try:
        _, _, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        if space not in ("Gray", "YCbCr", "RGB"):
            return None
        pixels: Pixels = simplejpeg.decode_jpeg(data, "GRAY" if space == "Gray" else "BGR", strict=True)
    except ValueError:
        return None
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _any_format(data: memoryview, header: Header) -> "np.ndarray[Any, np.dtype[Any]]":
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM:
            raise OutOfMemory("There was not enough memory to decode this picture.") from error
        raise CorruptImage(f"This {header.format} file cannot be decoded.") from error
    if pixels is None:
        raise CorruptImage(f"This {header.format} file cannot be decoded; it is damaged or cut short.")
    return pixels


def _eight_bits(pixels: "np.ndarray[Any, np.dtype[Any]]") -> Pixels:
    """Samples as uint8: 16 bits are divided by 257 and rounded, floats are taken as 0 to 1."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.dtype in (np.float32, np.float64):
        return cv2.convertScaleAbs(cv2.patchNaNs(pixels).clip(0, 1), alpha=255)
    raise CorruptImage("The samples of this picture are neither 8 nor 16 bits nor floats.")


def _as_picture(pixels: Pixels) -> Picture:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 4:
        alpha = cv2.extractChannel(pixels, 3)
        opaque = bool(cv2.minMaxLoc(alpha)[0] == 255)
        return Picture(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), None if opaque else alpha)
    if channels == 2:
        return Picture(cv2.extractChannel(pixels, 0), cv2.extractChannel(pixels, 1))
    return Picture(np.ascontiguousarray(pixels.reshape(pixels.shape[:2]) if channels == 1 else pixels))


def _planes(picture: Picture, *, alpha: bool) -> Pixels:
    """The planes to encode; a format without alpha gets the picture on white."""
    if picture.alpha is None:
        return picture.colour
    colour = picture.colour if picture.colour.ndim == 3 else cv2.cvtColor(picture.colour, cv2.COLOR_GRAY2BGR)
    if alpha:
        return cv2.merge([*cv2.split(colour), picture.alpha])
    share = picture.alpha[:, :, None].astype(np.uint32)
    return ((colour * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def _options(kind: str, quality: int | None) -> list[int]:
    if kind == "png":
        return [cv2.IMWRITE_PNG_COMPRESSION, 1]
    level = quality or DEFAULT_QUALITY[kind]
    if kind == "jpeg":
        return [cv2.IMWRITE_JPEG_QUALITY, level]
    if kind == "webp":
        return [cv2.IMWRITE_WEBP_QUALITY, level]
    return [cv2.IMWRITE_AVIF_QUALITY, level, cv2.IMWRITE_AVIF_SPEED, _AVIF_SPEED]
