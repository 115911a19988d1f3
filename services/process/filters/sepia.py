"""Sepia."""

import cv2
import numpy as np
from pydantic import Field

from services.process.kernels import kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, colour


class Sepia(Parameters):
    """The warm brown of an old print."""

    percent: int = Field(100, ge=0, le=100, description="Strength in percent: 0 changes nothing, 100 is full sepia.")


#: Thousandths, rows and columns in BGR, of the matrix in Microsoft's "Image processing with C#" that all sepia
#: filters share: R' = .393R + .769G + .189B, G' = .349R + .686G + .168B, B' = .272R + .534G + .131B.
_MATRIX = np.array([[131, 534, 272], [168, 686, 349], [189, 769, 393]], dtype=np.int64)


@kernel("void(uint8[::1], uint8[::1])")
def _full(source: Pixels, target: Pixels) -> None:
    """Full strength on n·3 samples: float32 with a bias of 0.50025 is exact half-up on all 2²⁴ colours (tested)."""
    bias = np.float32(0.50025)
    top = np.float32(255.0)
    for i in range(source.size // 3):
        b = np.float32(source[3 * i])
        g = np.float32(source[3 * i + 1])
        r = np.float32(source[3 * i + 2])
        target[3 * i] = np.uint8(min(np.float32(0.131) * b + np.float32(0.534) * g + np.float32(0.272) * r + bias, top))
        target[3 * i + 1] = np.uint8(
            min(np.float32(0.168) * b + np.float32(0.686) * g + np.float32(0.349) * r + bias, top)
        )
        target[3 * i + 2] = np.uint8(
            min(np.float32(0.189) * b + np.float32(0.769) * g + np.float32(0.393) * r + bias, top)
        )


@kernel("void(uint8[::1], int32[:, ::1], uint8[::1])")
def _mixed(source: Pixels, weights: "np.ndarray[tuple[int, int], np.dtype[np.int32]]", target: Pixels) -> None:
    """Any strength on n·3 samples: weights in hundred-thousandths, whole numbers, so exact."""
    for i in range(source.size // 3):
        for c in range(3):
            total = (
                weights[c, 0] * np.int32(source[3 * i])
                + weights[c, 1] * np.int32(source[3 * i + 1])
                + weights[c, 2] * np.int32(source[3 * i + 2])
                + 50_000
            )
            target[3 * i + c] = np.uint8(min(total // 100_000, 255))


@colour(Sepia)
def sepia(pixels: Pixels, parameters: Sepia) -> Pixels:
    """The sepia matrix mixed with the identity, in exact thousandths, rounded half up, saturated. Returns H×W×3."""
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    target = np.empty_like(pixels)
    if parameters.percent == 100:
        _full(pixels.reshape(-1), target.reshape(-1))
    else:
        weights = _MATRIX * parameters.percent + np.eye(3, dtype=np.int64) * 1000 * (100 - parameters.percent)
        _mixed(pixels.reshape(-1), weights.astype(np.int32), target.reshape(-1))
    return target
