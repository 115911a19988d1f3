"""A decoded picture."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

#: H×W (grey) or H×W×3 (BGR) uint8, C-contiguous. OpenCV's stubs do not tell the type of samples, so this does not.
Pixels: TypeAlias = NDArray[Any]


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
