"""Grayscale."""

import numpy as np

from services.process.kernels import BLOCK, kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, colour


class Grayscale(Parameters):
    """Shades of grey, by the weights of ITU-R BT.601."""


@kernel("void(uint8[::1], uint8[::1])")
def _grey(source: Pixels, target: Pixels) -> None:
    """3N uint8 samples, BGR, to N: (3735 B + 19235 G + 9798 R + 2¹⁴) >> 15, as OpenCV's BGR2GRAY computes it.

    In 16 bits: 3735 = 15·256 - 105, 19235 = 75·256 + 35 and 9798 = 38·256 + 70, and the low parts are all multiples
    of 35 that add up to 0. So with low = 35·((G - B) + 2(R - B)) and high = 15 B + 75 G + 38 R the result is
    (high + 64 + floor(low / 256)) >> 7, and no sum leaves its 16 bits.
    """
    blue = np.empty(BLOCK, np.uint8)
    green = np.empty(BLOCK, np.uint8)
    red = np.empty(BLOCK, np.uint8)
    for start in range(0, target.size, BLOCK):
        count = min(BLOCK, target.size - start)
        block = source[3 * start : 3 * (start + count)]
        out = target[start : start + count]
        for i in range(count):
            blue[i] = block[3 * i]
            green[i] = block[3 * i + 1]
            red[i] = block[3 * i + 2]
        for i in range(count):
            b = np.int16(blue[i])
            g = np.int16(green[i])
            r = np.int16(red[i])
            low = np.int16(np.int16(np.int16(g - b) + np.int16(np.int16(r - b) * np.int16(2))) * np.int16(35))
            high = np.int16(
                np.int16(np.int16(b * np.int16(15)) + np.int16(g * np.int16(75)))
                + np.int16(np.int16(r * np.int16(38)) + np.int16(64))
            )
            total = np.uint16(np.uint16(high) + np.uint16(np.int16(low // np.int16(256))))
            out[i] = np.uint8(total // np.uint16(128))


@colour(Grayscale)
def grayscale(pixels: Pixels, _: Grayscale) -> Pixels:
    """H×W×3 uint8 in BGR to H×W grey, exactly as OpenCV's BGR2GRAY; grey stays as it is."""
    if pixels.ndim == 2:
        return pixels
    target = np.empty(pixels.shape[:2], np.uint8)
    _grey(pixels.reshape(-1), target.reshape(-1))
    return target
