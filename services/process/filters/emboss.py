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
    """H·W·C samples in place: e + amount · (2(i - a) + (f - d) + (h - b)) in the neighbourhood a b c, d e f, g h i.

    Both sides have at least 2 pixels; the border is reflected (101). All sums fit in 16 bits. A row is read once, with
    its border, as the one below: it completes the row above it, and what it gives to the two after it is carried on,
    f - d - (b + 2a) and b + 2a. Two rounds before the first row fill these; below the last row stands the one before.
    """
    stride = width * channels
    rows = np.empty((2, (stride + 2 * channels + 63) // 64 * 64), np.uint8)
    carried = np.zeros(stride, np.int16)
    corner = np.zeros(stride, np.int16)
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
            d = np.int16(left[n])
            e = np.int16(below[n])
            f = np.int16(right[n])
            relief = np.int16(carried[n] + np.int16(e + np.int16(f + f)))
            value = np.int16(np.int16(relief * amount) + np.int16(here[n]))
            carried[n] = np.int16(np.int16(f - d) - corner[n])
            corner[n] = np.int16(e + np.int16(d + d))
            out[n] = np.uint8(min(max(value, np.int16(0)), np.int16(255)))


@area(Emboss)
def emboss(pixels: Pixels, parameters: Emboss) -> Pixels:
    """Exactly OpenCV's filter2D with [-2a -a 0; -a 1 a; 0 a 2a], border reflected (101); in place where it can."""
    height, width = pixels.shape[:2]
    a = parameters.amount
    if min(height, width) < 2:
        return cv2.filter2D(pixels, -1, np.array([[-2 * a, -a, 0], [-a, 1, a], [0, a, 2 * a]], dtype=np.float32))
    _emboss(pixels.reshape(-1), height, width, pixels.size // (height * width), a)
    return pixels
