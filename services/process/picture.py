"""A decoded picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from numpy.typing import NDArray

#: H×W (grey) or H×W×3 (BGR) uint8, C-contiguous. OpenCV's stubs do not tell the type of samples, so this does not.
Pixels: TypeAlias = NDArray[Any]

#: Pixels that arithmetic with wide numbers takes at a time, so that those never fill much memory.
_STRIP: Final = 64 * 1024


@dataclass(slots=True)
class Picture:
    """Colour planes (H×W grey or H×W×3 BGR) and, where the source has one, an alpha plane (H×W), all uint8."""

    colour: Pixels
    alpha: Pixels | None = None

    @property
    def width(self) -> int:
        return int(self.colour.shape[1])

    @property
    def height(self) -> int:
        return int(self.colour.shape[0])


def strips(height: int, width: int) -> Iterator[slice]:
    """The rows of a picture of this size, a few at a time."""
    step = max(1, _STRIP // width)
    return (slice(start, start + step) for start in range(0, height, step))
