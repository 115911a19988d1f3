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
    """H·W·C samples in place: e + amount · (4e - b - d - f - h), where b, d, f, h are above, left, right and below.

    Both sides have at least 2 pixels; the border is reflected (101). All sums fit in 16 bits. A row is read once, with
    its border, as the one below: it completes the row above it, and 4e - b - d - f is carried on to its own turn. Two
    rounds before the first row fill this; below the last row stands the one before.
    """
    stride = width * channels
    rows = np.empty((2, (stride + 2 * channels + 63) // 64 * 64), np.uint8)
    carried = np.zeros(stride, np.int16)
    spare = np.empty(stride, np.uint8)
    for y in range(-2, height):
        row = abs(y + 1)
        padded = rows[row % 2]
        if row < height:
            read = pixels[row * stride : (row + 1) * stride]
            middle = padded[channels : channels + stride]
            for n in range(stride):
                middle[n] = read[n]
            for n in range(channels):
                padded[n] = read[channels + n]
                padded[channels + stride + n] = read[stride - 2 * channels + n]
        here = rows[y % 2][channels : channels + stride]
        left = padded[:stride]
        below = padded[channels : channels + stride]
        right = padded[2 * channels : 2 * channels + stride]
        out = pixels[y * stride : (y + 1) * stride] if y >= 0 else spare
        for n in range(stride):
            e = np.int16(below[n])
            b = np.int16(here[n])
            value = np.int16(np.int16(np.int16(carried[n] - e) * amount) + b)
            beside = np.int16(np.int16(left[n]) + np.int16(right[n]))
            carried[n] = np.int16(np.int16(np.int16(e * np.int16(4)) - b) - beside)
            out[n] = np.uint8(min(max(value, np.int16(0)), np.int16(255)))


@area(Sharpen)
def sharpen(pixels: Pixels, parameters: Sharpen) -> Pixels:
    """Exactly OpenCV's filter2D with [0 -a 0; -a 1+4a -a; 0 -a 0], border reflected (101); in place where it can."""
    height, width = pixels.shape[:2]
    a = parameters.amount
    if min(height, width) < 2:
        return cv2.filter2D(pixels, -1, np.array([[0, -a, 0], [-a, 1 + 4 * a, -a], [0, -a, 0]], dtype=np.float32))
    _sharpen(pixels.reshape(-1), height, width, pixels.size // (height * width), a)
    return pixels
