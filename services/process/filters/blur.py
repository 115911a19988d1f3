"""Blur."""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from pydantic import Field, field_validator

from services.process.kernels import kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, area

#: The size that has a kernel of its own; the others are OpenCV's.
_SIZE: Final = 9
#: Samples before a row, so that it starts on a 64-byte line.
_LINE: Final = 32


class Blur(Parameters):
    """A soft picture (Gaussian blur)."""

    size: int = Field(
        9,
        ge=1,
        le=99,
        description="Width of the blur in pixels, an odd number.",
        json_schema_extra={"unit": "px", "not": {"multipleOf": 2}},
    )
    sigma: float = Field(
        0.0,
        ge=0,
        le=50,
        description="Standard deviation in pixels; 0 follows from the size.",
        json_schema_extra={"unit": "px"},
    )

    @field_validator("size")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError("the size must be odd")
        return size


@kernel("void(uint8[::1], int64[::1], int64, uint16[::1], uint16[::1])")
def _sum_columns(source: Pixels, rows: Pixels, stride: int, weights: Pixels, sums: Pixels) -> None:
    """The weighted sum of nine rows of `stride` uint8 samples that start at `rows`, 255·256 at most."""
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    r0 = source[rows[0] : rows[0] + stride]
    r1 = source[rows[1] : rows[1] + stride]
    r2 = source[rows[2] : rows[2] + stride]
    r3 = source[rows[3] : rows[3] + stride]
    r4 = source[rows[4] : rows[4] + stride]
    r5 = source[rows[5] : rows[5] + stride]
    r6 = source[rows[6] : rows[6] + stride]
    r7 = source[rows[7] : rows[7] + stride]
    r8 = source[rows[8] : rows[8] + stride]
    for i in range(stride):
        outer = np.uint16(
            np.uint16(np.uint16(np.uint16(r0[i]) + np.uint16(r8[i])) * w0)
            + np.uint16(np.uint16(np.uint16(r1[i]) + np.uint16(r7[i])) * w1)
        )
        inner = np.uint16(
            np.uint16(np.uint16(np.uint16(r2[i]) + np.uint16(r6[i])) * w2)
            + np.uint16(np.uint16(np.uint16(r3[i]) + np.uint16(r5[i])) * w3)
        )
        sums[i] = np.uint16(np.uint16(outer + inner) + np.uint16(np.uint16(r4[i]) * w4))


@kernel("void(uint16[::1], int64, int64, uint16[::1], uint8[::1])")
def _sum_rows(sums: Pixels, stride: int, channels: int, weights: Pixels, out: Pixels) -> None:
    """The weighted sum of nine neighbours in a row of uint16 sums, which starts at _LINE, over 2¹⁶, rounded half up."""
    w0, w1, w2 = np.uint32(weights[0]), np.uint32(weights[1]), np.uint32(weights[2])
    w3, w4 = np.uint32(weights[3]), np.uint32(weights[4])
    c0 = sums[_LINE - 4 * channels : _LINE - 4 * channels + stride]
    c1 = sums[_LINE - 3 * channels : _LINE - 3 * channels + stride]
    c2 = sums[_LINE - 2 * channels : _LINE - 2 * channels + stride]
    c3 = sums[_LINE - channels : _LINE - channels + stride]
    c4 = sums[_LINE : _LINE + stride]
    c5 = sums[_LINE + channels : _LINE + channels + stride]
    c6 = sums[_LINE + 2 * channels : _LINE + 2 * channels + stride]
    c7 = sums[_LINE + 3 * channels : _LINE + 3 * channels + stride]
    c8 = sums[_LINE + 4 * channels : _LINE + 4 * channels + stride]
    for i in range(stride):
        total = (
            np.uint32((np.uint32(c0[i]) + np.uint32(c8[i])) * w0)
            + np.uint32((np.uint32(c1[i]) + np.uint32(c7[i])) * w1)
            + np.uint32((np.uint32(c2[i]) + np.uint32(c6[i])) * w2)
            + np.uint32((np.uint32(c3[i]) + np.uint32(c5[i])) * w3)
            + np.uint32(np.uint32(c4[i]) * w4)
        )
        out[i] = np.uint8(np.uint32(np.uint32(total) + np.uint32(32768)) // np.uint32(65536))


@kernel("void(uint8[::1], int64, int64, int64, uint16[::1], uint8[::1])")
def _blur(source: Pixels, height: int, width: int, channels: int, weights: Pixels, target: Pixels) -> None:
    """H·W·C uint8 samples to as many: a symmetric 9×9 blur with weights w₀…w₄ in 1/256 (w₄ in the middle).

    Both sides have at least 5 pixels; the border is reflected (101). Columns are summed first and without loss, then
    rows, and the sum is rounded once: OpenCV's fixed-point blur (its `fixedSmoothInvoker`) in another order.
    """
    stride = width * channels
    sums = np.empty(_LINE + stride + 4 * channels, np.uint16)
    middle = sums[_LINE : _LINE + stride]
    rows = np.empty(9, np.int64)
    for y in range(height):
        for j in range(9):
            row = abs(y + j - 4)
            rows[j] = (row if row < height else 2 * height - 2 - row) * stride
        _sum_columns(source, rows, stride, weights, middle)
        for x in range(4 * channels):
            step = (x // channels + 1) * channels
            c = x % channels
            sums[_LINE - step + c] = middle[step + c]
            sums[_LINE + stride - channels + step + c] = middle[stride - channels - step + c]
        _sum_rows(sums, stride, channels, weights, target[y * stride : (y + 1) * stride])


@lru_cache(maxsize=64)
def _weights(sigma: float) -> Pixels | None:
    """OpenCV's fixed-point weights w₀…w₄ for size 9, read off what it makes of one bright column; none above 127/256.

    A column of 255 in a picture that is constant along it becomes round(255·w/256), which is w for w < 128.
    """
    column = np.zeros((_SIZE, 2 * _SIZE + 1), np.uint8)
    column[:, _SIZE] = 255
    found = cv2.GaussianBlur(column, (_SIZE, _SIZE), sigma)[0, _SIZE - 4 : _SIZE + 1].astype(np.uint16)
    return found if found.max() < 128 and 2 * int(found[:4].sum()) + int(found[4]) == 256 else None


@area(Blur)
def blur(pixels: Pixels, parameters: Blur) -> Pixels:
    """Exactly OpenCV's GaussianBlur with a square kernel and the border reflected (101)."""
    height, width = pixels.shape[:2]
    weights = _weights(parameters.sigma) if parameters.size == _SIZE and min(height, width) > 4 else None
    if weights is None:
        return cv2.GaussianBlur(pixels, (parameters.size, parameters.size), parameters.sigma)
    target = np.empty_like(pixels)
    _blur(pixels.reshape(-1), height, width, pixels.size // (height * width), weights, target.reshape(-1))
    return target
