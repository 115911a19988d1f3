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


@kernel("void(uint8[::1], int64, int64, int64, int16)")
def _emboss(pixels: Pixels, height: int, width: int, channels: int, amount: Scalar) -> None:
    """H·W·C uint8 samples in place: e + amount · (2(i - a) + (f - d) + (h - b)) in a neighbourhood abc, def, ghi.

    Both sides have at least 2 pixels; the border is reflected (101). All sums fit in 16 bits. A row is read once, as
    the one below: it completes the row above it, and what it adds to the two after it is carried on, f - d and e + 2d.
    Two rounds before the first row fill these; the row before the last is kept, as it comes again below the last.
    """
    stride = width * channels
    inner = stride - 2 * channels
    line = (stride + 63) // 32 * 32
    scratch = np.zeros(2 * line + 32, np.int16)
    # what vectors read and write starts on a 64-byte line
    start = -(scratch.ctypes.data + 2 * channels) % 64 // 2
    carried = scratch[start : start + stride]
    corner = scratch[start + line : start + line + stride]
    spare = np.zeros(stride, np.uint8)
    kept = np.zeros(stride, np.uint8)
    for y in range(-2, height):
        row = abs(y + 1)
        if y == height - 2:
            kept[:] = pixels[y * stride : (y + 1) * stride]
        below = pixels[row * stride : (row + 1) * stride] if row < height else kept
        here = pixels[y * stride : (y + 1) * stride] if y >= 0 else spare
        d = below[:inner]
        e = below[channels : channels + inner]
        f = below[2 * channels : 2 * channels + inner]
        middle = here[channels : channels + inner]
        sides = carried[channels : channels + inner]
        corners = corner[channels : channels + inner]
        for n in range(inner):
            left = np.int16(d[n])
            centre = np.int16(e[n])
            right = np.int16(f[n])
            relief = np.int16(sides[n] + np.int16(centre + np.int16(right + right)))
            value = np.int16(np.int16(relief * amount) + np.int16(middle[n]))
            sides[n] = np.int16(np.int16(right - left) - corners[n])
            corners[n] = np.int16(centre + np.int16(left + left))
            middle[n] = np.uint8(min(max(value, np.int16(0)), np.int16(255)))
        for begin, beside in ((0, channels), (stride - channels, inner)):
            for n in range(channels):
                at = begin + n
                slope = np.int32(below[at]) + 2 * np.int32(below[beside + n])
                here[at] = np.uint8(min(max((carried[at] + slope) * amount + here[at], 0), 255))
                carried[at] = -corner[at]
                corner[at] = slope


@area(Emboss)
def emboss(pixels: Pixels, parameters: Emboss) -> Pixels:
    """Exactly OpenCV's filter2D with [-2a -a 0; -a 1 a; 0 a 2a], border reflected (101); in place where it can.

    H×W or H×W×3 uint8. Source: a correlation as filter2D defines it, the relief of the recipe that Darkroom replaces.
    """
    height, width = pixels.shape[:2]
    a = parameters.amount
    if min(height, width) < 2:
        return cv2.filter2D(pixels, -1, np.array([[-2 * a, -a, 0], [-a, 1, a], [0, a, 2 * a]], dtype=np.float32))
    _emboss(pixels.reshape(-1), height, width, pixels.size // (height * width), a)
    return pixels
