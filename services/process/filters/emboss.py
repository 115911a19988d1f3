"""Emboss."""

import cv2
import numpy as np
from pydantic import Field

from services.process.kernels import Scalar, kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, area


class Emboss(Parameters):
    """A relief, lit from the top left."""

    amount: int = Field(1, ge=1, le=10, description="Depth of the relief.")


@kernel("void(uint8[::1], int64, int64, int64, int16, uint8[::1])")
def _emboss(source: Pixels, height: int, width: int, channels: int, amount: Scalar, target: Pixels) -> None:
    """H·W·C samples to as many: e + amount · (2(i - a) + (f - d) + (h - b)) in the neighbourhood a b c, d e f, g h i.

    Both sides have at least 2 pixels; the border is reflected (101). All sums fit in 16 bits.
    """
    stride = width * channels
    inner = stride - 2 * channels
    for y in range(height):
        up = y - 1 if y > 0 else 1
        down = y + 1 if y < height - 1 else height - 2
        above = source[up * stride : (up + 1) * stride]
        here = source[y * stride : (y + 1) * stride]
        below = source[down * stride : (down + 1) * stride]
        out = target[y * stride : (y + 1) * stride]
        a = above[:inner]
        b = above[channels : channels + inner]
        d = here[:inner]
        e = here[channels : channels + inner]
        f = here[2 * channels : 2 * channels + inner]
        h = below[channels : channels + inner]
        i = below[2 * channels : 2 * channels + inner]
        middle = out[channels : channels + inner]
        for n in range(inner):
            far = np.int16(np.int16(i[n]) - np.int16(a[n]))
            near = np.int16(np.int16(np.int16(f[n]) - np.int16(d[n])) + np.int16(np.int16(h[n]) - np.int16(b[n])))
            relief = np.int16(np.int16(far + far) + near)
            value = np.int16(np.int16(relief * amount) + np.int16(e[n]))
            middle[n] = np.uint8(min(max(value, np.int16(0)), np.int16(255)))
        for x in (0, width - 1):
            left = (x - 1 if x > 0 else 1) * channels
            right = (x + 1 if x < width - 1 else width - 2) * channels
            for c in range(channels):
                at = x * channels + c
                slope = 2 * (np.int32(below[right + c]) - np.int32(above[left + c]))
                slope += np.int32(here[right + c]) - np.int32(here[left + c])
                slope += np.int32(below[at]) - np.int32(above[at])
                out[at] = np.uint8(min(max(slope * amount + np.int32(here[at]), 0), 255))


@area(Emboss)
def emboss(pixels: Pixels, parameters: Emboss) -> Pixels:
    """Exactly OpenCV's filter2D with [-2a -a 0; -a 1 a; 0 a 2a], border reflected (101)."""
    height, width = pixels.shape[:2]
    a = parameters.amount
    if min(height, width) < 2:
        return cv2.filter2D(pixels, -1, np.array([[-2 * a, -a, 0], [-a, 1, a], [0, a, 2 * a]], dtype=np.float32))
    target = np.empty_like(pixels)
    _emboss(pixels.reshape(-1), height, width, pixels.size // (height * width), a, target.reshape(-1))
    return target
