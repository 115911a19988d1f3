"""Sepia."""

import cv2
import numpy as np
from pydantic import Field

from services.process.kernels import BLOCK, kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, colour


class Sepia(Parameters):
    """The warm brown of an old print."""

    percent: int = Field(
        100,
        ge=0,
        le=100,
        title="Strength",
        description="Strength in percent: 0 changes nothing, 100 is full sepia.",
        json_schema_extra={"unit": "%"},
    )


#: Thousandths, rows and columns in BGR, of the matrix that sepia filters share since Microsoft's "Sepia" sample:
#: R' = .393R + .769G + .189B, G' = .349R + .686G + .168B, B' = .272R + .534G + .131B.
_MATRIX = np.array([[131, 534, 272], [168, 686, 349], [189, 769, 393]], dtype=np.int64)


@kernel("void(uint8[::1], uint8[::1])")
def _full(source: Pixels, target: Pixels) -> None:
    """3N uint8 samples, BGR, to as many: `_MATRIX` in full strength.

    Results lie a thousandth apart, so half of one (.00025 more than .5) as the bias rounds half up in spite of the
    error of float32, which is below .0001; a test runs all 2²⁴ colours.
    """
    blue = np.empty(BLOCK, np.uint8)
    green = np.empty(BLOCK, np.uint8)
    red = np.empty(BLOCK, np.uint8)
    bias = np.float32(0.50025)
    top = np.uint32(255)
    for start in range(0, source.size // 3, BLOCK):
        count = min(BLOCK, source.size // 3 - start)
        block = source[3 * start : 3 * (start + count)]
        out = target[3 * start : 3 * (start + count)]
        for i in range(count):
            blue[i] = block[3 * i]
            green[i] = block[3 * i + 1]
            red[i] = block[3 * i + 2]
        for i in range(count):
            b = np.float32(blue[i])
            g = np.float32(green[i])
            r = np.float32(red[i])
            new_b = np.float32(0.131) * b + (np.float32(0.534) * g + (np.float32(0.272) * r + bias))
            new_g = np.float32(0.168) * b + (np.float32(0.686) * g + (np.float32(0.349) * r + bias))
            new_r = np.float32(0.189) * b + (np.float32(0.769) * g + (np.float32(0.393) * r + bias))
            blue[i] = np.uint8(min(np.uint32(np.int32(new_b)), top))
            green[i] = np.uint8(min(np.uint32(np.int32(new_g)), top))
            red[i] = np.uint8(min(np.uint32(np.int32(new_r)), top))
        for i in range(count):
            out[3 * i] = blue[i]
            out[3 * i + 1] = green[i]
            out[3 * i + 2] = red[i]


@kernel("void(uint8[::1], int32[:, ::1], uint8[::1])")
def _mixed(source: Pixels, weights: Pixels, target: Pixels) -> None:
    """3N uint8 samples, BGR, to as many: 3×3 int64 weights in hundred-thousandths, whole numbers, so exact."""
    for i in range(source.size // 3):
        b = np.int32(source[3 * i])
        g = np.int32(source[3 * i + 1])
        r = np.int32(source[3 * i + 2])
        for c in range(3):
            total = weights[c, 0] * b + weights[c, 1] * g + weights[c, 2] * r + 50_000
            target[3 * i + c] = np.uint8(min(total // 100_000, 255))


@colour(Sepia)
def sepia(pixels: Pixels, parameters: Sepia) -> Pixels:
    """The sepia matrix mixed with the identity, in exact thousandths, rounded half up, saturated, in place.

    H×W×3 uint8 in BGR; grey (H×W) becomes such a picture of its own. Source of the matrix: W3C, Filter Effects Module
    Level 1, `sepia(1)`.
    """
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    flat = pixels.reshape(-1)
    if parameters.percent == 100:
        _full(flat, flat)
    else:
        weights = _MATRIX * parameters.percent + np.eye(3, dtype=np.int64) * 1000 * (100 - parameters.percent)
        _mixed(flat, weights.astype(np.int32), flat)
    return pixels
