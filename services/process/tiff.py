"""What TIFF files mean by their samples, where OpenCV does not see to it.

OpenCV reads 8-bit files through libtiff's RGBA interface, which makes one kind of picture of all, with its colour
multiplied by alpha; deeper ones it reads as they are stored. Source: TIFF 6.0 (Adobe, 1992), sections 8 and 18.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.process import directory
from services.process.picture import Pixels, strips
from shared.errors import UnsupportedMedia

_PHOTOMETRIC: Final = 0x0106
_PLANAR: Final = 0x011C
_EXTRA_SAMPLES: Final = 0x0152
#: PhotometricInterpretation of grey files whose 0 is white.
_WHITE_IS_ZERO: Final = 0
#: PlanarConfiguration of files whose colours are in planes of their own.
_SEPARATE: Final = 2
#: ExtraSamples of files whose colour is not multiplied by alpha.
_UNASSOCIATED: Final = 2


def as_meant(pixels: NDArray[Any], data: memoryview) -> NDArray[Any]:
    """The deep samples of a file (not 8-bit), with black at 0.

    Raises UnsupportedMedia for colours in separate planes, of which OpenCV reads but the first.
    """
    if pixels.ndim == 3 and directory.number(data, _PLANAR) == _SEPARATE:
        raise UnsupportedMedia("A TIFF file of more than 8 bits with its colours in separate planes is not read.")
    if pixels.ndim == 2 and pixels.dtype == np.uint16 and directory.number(data, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        return ~pixels
    return pixels


def is_multiplied(pixels: NDArray[Any], data: memoryview) -> bool:
    """Whether colour comes multiplied by alpha: with 8 bits always, with more as the file says.

    A file that does not say what its fourth sample is has colour that is multiplied, as libtiff has it.
    """
    return pixels.dtype == np.uint8 or directory.number(data, _EXTRA_SAMPLES) != _UNASSOCIATED


def divide(colour: Pixels, alpha: Pixels) -> None:
    """Divide, in place, colour that was multiplied by alpha, and round; where alpha is 0 nothing is left of it."""
    for rows in strips(*alpha.shape):
        share = np.maximum(alpha[rows], 1)[:, :, None].astype(np.uint16)
        colour[rows] = np.minimum((colour[rows] * np.uint16(255) + share // 2) // share, 255)
