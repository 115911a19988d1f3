"""Saturation."""

import cv2
import numpy as np
from pydantic import Field

from services.process.kernels import kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, colour


class Saturation(Parameters):
    """Stronger or paler colours."""

    percent: int = Field(140, ge=0, le=1000, description="Saturation in percent: 100 changes nothing, 0 is grey.")


@kernel("void(uint8[::1], uint8[::1], int32, uint8[::1])")
def _saturate(source: Pixels, grey: Pixels, percent: int, target: Pixels) -> None:
    for i in range(grey.size):
        g = np.int32(grey[i])
        base = np.int32(np.int32(g * np.int32(100 - percent)) + np.int32(50))
        for c in range(3):
            value = np.int32(base + np.int32(np.int32(source[3 * i + c]) * percent))
            value = max(value, np.int32(0))
            target[3 * i + c] = np.uint8(min(np.int32(value // np.int32(100)), np.int32(255)))


@colour(Saturation)
def saturation(pixels: Pixels, parameters: Saturation) -> Pixels:
    """Grey + (x - grey) · percent / 100 in each channel, rounded half up, saturated; grey is OpenCV's BGR2GRAY."""
    if pixels.ndim == 2:
        return pixels
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    target = np.empty_like(pixels)
    _saturate(pixels.reshape(-1), grey.reshape(-1), parameters.percent, target.reshape(-1))
    return target
