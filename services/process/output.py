"""What can be asked of a result, checked before a pixel is touched."""

from collections.abc import Collection
from typing import Final

from services.process.header import Header
from shared.errors import InvalidParameter
from shared.events import Output

#: Formats that are written, and those of them that hold animations or no loss.
WRITTEN: Final = ("jpeg", "png", "webp", "avif")
ANIMATED: Final = ("png", "webp", "avif")
LOSSLESS: Final = ("png", "webp")

SUBSAMPLINGS: Final = ("420", "422", "444")
METADATA: Final = ("none", "icc", "all")
FRAMES: Final = ("first", "all")


def check_output(output: Output) -> None:
    """Raise InvalidParameter, naming the member and what is allowed, unless this output can be had."""
    _one_of("format", output.format, WRITTEN)
    _one_of("subsampling", output.subsampling, SUBSAMPLINGS)
    _one_of("metadata", output.metadata, METADATA)
    _one_of("frames", output.frames, FRAMES)
    if output.quality is not None and not 1 <= output.quality <= 100:
        raise InvalidParameter(f"quality is 1 to 100, not {output.quality}.", parameter="quality", allowed=[1, 100])
    if output.lossless and output.format is not None:
        _one_of("format", output.format, LOSSLESS, why=" with lossless")
    if output.frames == "all" and output.format is not None:
        _one_of("format", output.format, ANIMATED, why=" with all frames")


def written_format(header: Header, output: Output) -> str:
    """The format to write: the one asked for, else the source's own where it can hold what is asked, else another.

    That other is webp for all frames, and png for the rest.
    """
    if output.format is not None:
        return output.format
    fits = ANIMATED if output.frames == "all" else LOSSLESS if output.lossless else WRITTEN
    if header.format in fits:
        return header.format
    return "webp" if output.frames == "all" else "png"


def _one_of(name: str, value: str | None, allowed: Collection[str], why: str = "") -> None:
    if value is not None and value not in allowed:
        raise InvalidParameter(
            f"{name} {value!r} is not possible{why}; allowed are {', '.join(allowed)}.",
            parameter=name,
            allowed=list(allowed),
        )
