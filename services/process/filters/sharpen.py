"""Sharpen."""

import cv2
import numpy as np
from pydantic import Field

from services.process.kernels import Scalar, kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, area


class Sharpen(Parameters):
    """Crisper details."""

    amount: int = Field(1, ge=1, le=10, description="Strength: how much of the difference to the neighbours is added.")


@kernel("void(uint8[::1], int64, int64, int64, int16)")
def _sharpen(pixels: Pixels, height: int, width: int, channels: int, amount: Scalar) -> None:
    """H·W·C uint8 samples in place: e + amount · (4e - b - d - f - h), with b above, d left, f right and h below.

    Both sides have at least 2 pixels; the border is reflected (101). All sums fit in 16 bits. A row is read once, as
    the one below: it completes the row above it, and its 4e - b - d - f is carried on to its own turn. A round before
    the first row fills this; the row before the last is kept, as it comes again below the last.
    """
    stride = width * channels
    inner = stride - 2 * channels
    scratch = np.zeros(stride + 32, np.int16)
    # what vectors read and write starts on a 64-byte line
    start = -(scratch.ctypes.data + 2 * channels) % 64 // 2
    carried = scratch[start : start + stride]
    spare = np.empty(stride, np.uint8)
    spare[:] = pixels[stride : 2 * stride]
    kept = np.zeros(stride, np.uint8)
    for y in range(-1, height):
        row = y + 1
        if y == height - 2:
            kept[:] = pixels[y * stride : (y + 1) * stride]
        below = pixels[row * stride : (row + 1) * stride] if row < height else kept
        here = pixels[y * stride : (y + 1) * stride] if y >= 0 else spare
        d = below[:inner]
        e = below[channels : channels + inner]
        f = below[2 * channels : 2 * channels + inner]
        middle = here[channels : channels + inner]
        details = carried[channels : channels + inner]
        for n in range(inner):
            centre = np.int16(e[n])
            above = np.int16(middle[n])
            value = np.int16(np.int16(np.int16(details[n] - centre) * amount) + above)
            beside = np.int16(np.int16(d[n]) + np.int16(f[n]))
            details[n] = np.int16(np.int16(np.int16(centre * np.int16(4)) - above) - beside)
            middle[n] = np.uint8(min(max(value, np.int16(0)), np.int16(255)))
        for begin, near in ((0, channels), (stride - channels, inner)):
            for n in range(channels):
                at = begin + n
                edge = np.int32(here[at])
                level = np.int32(below[at])
                here[at] = np.uint8(min(max((carried[at] - level) * amount + edge, 0), 255))
                carried[at] = 4 * level - edge - 2 * np.int32(below[near + n])


@area(Sharpen)
def sharpen(pixels: Pixels, parameters: Sharpen) -> Pixels:
    """Exactly OpenCV's filter2D with [0 -a 0; -a 1+4a -a; 0 -a 0], border reflected (101); in place where it can.

    H×W or H×W×3 uint8. Source: a correlation as filter2D defines it; the picture less its Laplacian.
    """
    height, width = pixels.shape[:2]
    a = parameters.amount
    if min(height, width) < 2:
        return cv2.filter2D(pixels, -1, np.array([[0, -a, 0], [-a, 1 + 4 * a, -a], [0, -a, 0]], dtype=np.float32))
    _sharpen(pixels.reshape(-1), height, width, pixels.size // (height * width), a)
    return pixels
