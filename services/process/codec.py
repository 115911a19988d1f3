"""Files to pixels.

Pixels are 8 bits. What a file holds beyond that is reduced on purpose: 16-bit samples are rounded to the nearest of
256 levels, CMYK becomes BGR without a profile, palettes become BGR. An alpha plane that is opaque is dropped.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from services.process import tiff
from services.process.header import Header
from services.process.limits import Limits
from services.process.picture import Picture, Pixels
from services.process.registry import Size
from shared.errors import CorruptImage, OutOfMemory

#: Bytes per pixel that a decoder may need at its worst: two copies of BGRA, and the planes of a video codec.
_WORST: Final = 12
#: A decoder that scales pays from half the size on: libjpeg-turbo has fast transforms for 1/2, 1/4 and 1/8 only.
_LEAST_SCALE: Final = 2


@dataclass(slots=True)
class Decoded:
    """The pictures of a file, as stored: one, or those of an animation with their durations in ms and its loops."""

    frames: list[Picture]
    durations: list[int]
    loops: int = 0


def decode(data: memoryview, header: Header, limits: Limits, at_least: Size | None = None) -> Decoded:
    """Decode the first picture of a file, not yet turned upright.

    With `at_least`, width and height in pixels as stored, it may come scaled down to no less than that.
    Raises CorruptImage for what cannot be decoded, TooManyPixels when there is more than the header said, OutOfMemory.
    """
    pixels = _jpeg(data, at_least) if header.format == "jpeg" else None
    if pixels is None:
        pixels = _any_format(data, header)
    limits.check_pixels(pixels.shape[1], pixels.shape[0])
    return Decoded([_as_picture(pixels, header, data)], [0])


def decode_all(data: memoryview, header: Header, limits: Limits) -> Decoded:
    """Decode every picture of an animation; pixels of all of them count together.

    Raises like `decode`, also for a later picture that is damaged, and TooManyFrames.
    """
    allowed = limits.frames_of(header.width, header.height)
    found, animation = _guarded(lambda: cv2.imdecodeanimation(_bytes(data), 0, allowed + 1), header)
    frames = list(animation.frames)
    if frames and not found:
        raise _undecodable(header)
    if len(frames) < 2:
        return decode(data, header, limits)
    height, width = frames[0].shape[:2]
    limits.check_pixels(width, height)
    for size in ((header.width, header.height), (width, height)):
        limits.check_frames(len(frames), *size)
    durations = [int(duration) for duration in np.asarray(animation.durations).reshape(-1)]
    return Decoded([_as_picture(frame, header, data) for frame in frames], durations, int(animation.loop_count))


def _jpeg(data: memoryview, at_least: Size | None) -> Pixels | None:
    """A JPEG by libjpeg-turbo; none where it is CMYK or damaged, which OpenCV may still read."""
    width, height = at_least or (0, 0)
    factor = _LEAST_SCALE if at_least else 1
    try:
        _, _, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        if space not in ("Gray", "YCbCr", "RGB"):
            return None
        kind = "GRAY" if space == "Gray" else "BGR"
        pixels: Pixels = simplejpeg.decode_jpeg(data, kind, min_width=width, min_height=height, min_factor=factor)
    except (ValueError, KeyError):  # the latter for a subsampling that simplejpeg has no name for
        return None
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _any_format(data: memoryview, header: Header) -> NDArray[Any]:
    pixels = _guarded(lambda: cv2.imdecode(_bytes(data), cv2.IMREAD_UNCHANGED), header)
    if pixels is None:
        raise _undecodable(header)
    return np.asarray(pixels)


def _guarded(call: Any, header: Header) -> Any:  # noqa: ANN401 - whatever the call to OpenCV returns
    try:
        return call()
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM:
            raise OutOfMemory("There was not enough memory to decode this picture.") from error
        raise _undecodable(header) from error


def _undecodable(header: Header) -> CorruptImage | OutOfMemory:
    """Why a decoder gave nothing back: some do so too when memory runs out, which is not the picture's fault."""
    try:
        np.empty(header.width * header.height * _WORST, np.uint8)
    except MemoryError:
        return OutOfMemory("There was not enough memory to decode this picture.")
    return CorruptImage(f"This {header.format} file cannot be decoded; it is damaged or cut short.")


def _bytes(data: memoryview) -> Pixels:
    return np.frombuffer(data, np.uint8)


def _as_picture(pixels: NDArray[Any], header: Header, data: memoryview) -> Picture:
    if header.format == "tiff" and pixels.dtype != np.uint8:
        pixels = tiff.as_meant(pixels, data)
    samples = _eight_bits(pixels)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if channels == 4:
        alpha = cv2.extractChannel(samples, 3)
        colour = cv2.cvtColor(samples, cv2.COLOR_BGRA2BGR)
        if cv2.minMaxLoc(alpha)[0] == 255:
            return Picture(colour)
        if header.format == "tiff" and tiff.is_multiplied(pixels, data):
            tiff.divide(colour, alpha)
        return Picture(colour, alpha)
    if channels == 2:
        return Picture(cv2.extractChannel(samples, 0), cv2.extractChannel(samples, 1))
    return Picture(np.ascontiguousarray(samples.reshape(samples.shape[:2]) if channels == 1 else samples))


def _eight_bits(pixels: NDArray[Any]) -> Pixels:
    """Samples as uint8: 16 bits are divided by 257 and rounded, floats are taken as 0 to 1."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.dtype in (np.float32, np.float64):
        limited: Pixels = np.nan_to_num(pixels, nan=0.0).clip(0, 1)
        return cv2.convertScaleAbs(limited, alpha=255)
    raise CorruptImage("The samples of this picture are neither 8 nor 16 bits nor floats.")
