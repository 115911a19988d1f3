"""Pixels to files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np

from services.process.codec import Decoded
from services.process.containers import Metadata
from services.process.embed import embed
from services.process.header import MEDIA_TYPES
from services.process.picture import Picture, Pixels, strips
from shared.errors import InvalidParameter, OutOfMemory
from shared.events import Output

#: Quality (1 to 100) when none is asked for. PNG has no quality.
DEFAULT_QUALITY: Final = {"jpeg": 90, "webp": 82, "avif": 60}
_EXTENSION: Final = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif"}
#: Longest side in pixels of the format that has a narrower limit than ours (WebP: RFC 9649, 14 bits).
_LONGEST_SIDE: Final = {"webp": 16_383}
#: AVIF effort, 0 (slow, small) to 10 (fast, large); what encoders on demand commonly take.
_AVIF_SPEED: Final = 8
#: Run lengths of Paeth differences: on photos smaller than zlib's level 6 in a seventh of the time.
_PNG: Final = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
)
_SUBSAMPLINGS: Final = {
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}
#: What makes OpenCV write animations without loss; the mode that it has for that counts for stills only.
_WEBP_EXACT: Final = [cv2.IMWRITE_WEBP_QUALITY, 101]
#: Where an ICC profile names its colour space (ICC.1:2022, 7.2.8).
_ICC_SPACE: Final = slice(16, 20)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file in memory with its media type."""

    data: memoryview
    media_type: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to write: format, the output's options, and the metadata that goes with it."""

    format: str
    output: Output = field(default_factory=Output)
    metadata: Metadata = field(default_factory=Metadata)


def encode(picture: Picture, recipe: Recipe) -> Encoded:
    """Encode one picture. Raises InvalidParameter for one that is too long for the format, OutOfMemory."""
    _check_size(picture, recipe.format)
    pixels = _planes(picture, alpha=recipe.format != "jpeg")
    # WebP has no grey: OpenCV writes colour.
    kinds, blocks = _blocks(_fitting(recipe.metadata, grey=pixels.ndim == 2 and recipe.format != "webp"))
    extension, options = _EXTENSION[recipe.format], _options(recipe)
    if kinds:
        done, data = cv2.imencodeWithMetadata(extension, pixels, kinds, blocks, options)
    else:
        done, data = cv2.imencode(extension, pixels, options)
    return _finished(recipe.format, done, data)


def encode_all(decoded: Decoded, recipe: Recipe) -> Encoded:
    """Encode an animation; with one frame it is a plain picture. All frames have the same size.

    Without loss is what can be seen: frames are written as differences, and nothing is left of what is wholly clear.
    """
    if len(decoded.frames) == 1:
        return encode(decoded.frames[0], recipe)
    _check_size(decoded.frames[0], recipe.format)
    animation = cv2.Animation()
    clear = any(frame.alpha is not None for frame in decoded.frames)
    animation.frames = [_frame(frame, clear=clear) for frame in decoded.frames]
    animation.durations = decoded.durations
    animation.loop_count = decoded.loops
    exact = recipe.format == "webp" and recipe.output.lossless
    options = _WEBP_EXACT if exact else _options(recipe)
    done, data = cv2.imencodeanimation(_EXTENSION[recipe.format], animation, options)
    encoded = _finished(recipe.format, done, data)
    whole = embed(recipe.format, encoded.data, _fitting(recipe.metadata, grey=False))
    return Encoded(memoryview(whole), encoded.media_type)


def _finished(kind: str, done: Any, data: Any) -> Encoded:  # noqa: ANN401 - OpenCV's stubs say no more
    if not done:
        raise OutOfMemory(f"There was not enough memory to write this picture as {kind}.")
    return Encoded(data.data, MEDIA_TYPES[kind])


def _check_size(picture: Picture, kind: str) -> None:
    longest = _LONGEST_SIDE.get(kind)
    if longest and max(picture.width, picture.height) > longest:
        raise InvalidParameter(
            f"A {kind} picture has sides of at most {longest} pixels, this one is {picture.width}×{picture.height}.",
            parameter="format",
            allowed=longest,
        )


def _fitting(metadata: Metadata, *, grey: bool) -> Metadata:
    """The metadata without a profile of another colour space than the picture's."""
    fits = metadata.icc is not None and metadata.icc[_ICC_SPACE] == (b"GRAY" if grey else b"RGB ")
    return Metadata(metadata.exif, metadata.icc if fits else None)


def _blocks(metadata: Metadata) -> tuple[Sequence[int], Sequence[Pixels]]:
    """What to embed: kinds and contents."""
    found: list[tuple[int, bytes]] = []
    if metadata.exif:
        found.append((cv2.IMAGE_METADATA_EXIF, metadata.exif))
    if metadata.icc:
        found.append((cv2.IMAGE_METADATA_ICCP, metadata.icc))
    return [kind for kind, _ in found], [np.frombuffer(block, np.uint8) for _, block in found]


def _planes(picture: Picture, *, alpha: bool) -> Pixels:
    """The planes to encode; a format without alpha gets the picture on white."""
    if picture.alpha is None:
        return picture.colour
    return _with_alpha(picture.colour, picture.alpha) if alpha else _on_white(picture.colour, picture.alpha)


def _on_white(colour: Pixels, alpha: Pixels) -> Pixels:
    """H×W×3: (colour · alpha + 255 · (255 - alpha)) / 255, rounded. All of it fits 16 bits."""
    coloured = _coloured(colour)
    target = np.empty_like(coloured)
    for rows in strips(*alpha.shape):
        share = alpha[rows][:, :, None].astype(np.uint16)
        target[rows] = (coloured[rows] * share + (255 * (255 - share) + 127)) // 255
    return target


def _with_alpha(colour: Pixels, alpha: Pixels) -> Pixels:
    """H×W×4 BGRA."""
    code = cv2.COLOR_BGR2BGRA if colour.ndim == 3 else cv2.COLOR_GRAY2BGRA
    return cv2.insertChannel(alpha, cv2.cvtColor(colour, code), 3)


def _frame(picture: Picture, *, clear: bool) -> Pixels:
    """One frame of an animation, BGR, or BGRA when any of its frames is."""
    if not clear:
        return _coloured(picture.colour)
    alpha = picture.alpha if picture.alpha is not None else np.full(picture.colour.shape[:2], 255, np.uint8)
    return _with_alpha(picture.colour, alpha)


def _coloured(colour: Pixels) -> Pixels:
    return colour if colour.ndim == 3 else cv2.cvtColor(colour, cv2.COLOR_GRAY2BGR)


def _options(recipe: Recipe) -> list[int]:
    """OpenCV's pairs of option and value."""
    output = recipe.output
    if recipe.format == "png":
        return list(_PNG)
    quality = output.quality or DEFAULT_QUALITY[recipe.format]
    if recipe.format == "jpeg":
        factor = _SUBSAMPLINGS[output.subsampling or "420"]
        return [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    if recipe.format == "webp":
        if output.lossless:
            return [cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR]
        return [cv2.IMWRITE_WEBP_QUALITY, quality]
    return [cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_SPEED, _AVIF_SPEED]
