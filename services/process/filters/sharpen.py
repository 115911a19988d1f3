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


@kernel("void(uint8[::1], int64, int64, int64, int16, uint8[::1])")
def _sharpen(source: Pixels, height: int, width: int, channels: int, amount: Scalar, target: Pixels) -> None:
    """H·W·C samples to as many: e + amount · (4e - b - d - f - h), where b, d, f, h are above, left, right and below.

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
        b = above[channels : channels + inner]
        d = here[:inner]
        e = here[channels : channels + inner]
        f = here[2 * channels : 2 * channels + inner]
        h = below[channels : channels + inner]
        middle = out[channels : channels + inner]
        for n in range(inner):
            centre = np.int16(e[n])
            around = np.int16(np.int16(np.int16(b[n]) + np.int16(h[n])) + np.int16(np.int16(d[n]) + np.int16(f[n])))
            detail = np.int16(np.int16(centre * np.int16(4)) - around)
            value = np.int16(np.int16(detail * amount) + centre)
            middle[n] = np.uint8(min(max(value, np.int16(0)), np.int16(255)))
        for x in (0, width - 1):
            left = (x - 1 if x > 0 else 1) * channels
            right = (x + 1 if x < width - 1 else width - 2) * channels
            for c in range(channels):
                at = x * channels + c
                edge = np.int32(here[at])
                edge_detail = 4 * edge - np.int32(above[at]) - np.int32(below[at])
                edge_detail -= np.int32(here[left + c]) + np.int32(here[right + c])
                out[at] = np.uint8(min(max(edge + amount * edge_detail, 0), 255))


@area(Sharpen)
def sharpen(pixels: Pixels, parameters: Sharpen) -> Pixels:
    """Exactly OpenCV's filter2D with [0 -a 0; -a 1+4a -a; 0 -a 0], border reflected (101)."""
    height, width = pixels.shape[:2]
    a = parameters.amount
    if min(height, width) < 2:
        return cv2.filter2D(pixels, -1, np.array([[0, -a, 0], [-a, 1 + 4 * a, -a], [0, -a, 0]], dtype=np.float32))
    target = np.empty_like(pixels)
    _sharpen(pixels.reshape(-1), height, width, pixels.size // (height * width), a, target.reshape(-1))
    return target
