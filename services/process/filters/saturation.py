"""Saturation."""

import numpy as np
from pydantic import Field

from services.process.filters.grayscale import Grayscale, grayscale
from services.process.kernels import BLOCK, kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, colour


class Saturation(Parameters):
    """Stronger or paler colours."""

    percent: int = Field(
        140,
        ge=0,
        le=1000,
        title="Strength",
        description="Saturation in percent: 100 changes nothing, 0 is grey.",
        json_schema_extra={"unit": "%"},
    )


@kernel("void(uint8[::1], uint8[::1], float32, uint8[::1])")
def _saturate(source: Pixels, grey: Pixels, percent: float, target: Pixels) -> None:
    """3N samples (uint8, BGR) and their N greys (uint8) to 3N: (grey · (100 - percent) + x · percent) / 100.

    Rounded half up and saturated: each pixel moves on the line through its grey (BGR2GRAY), as in P. Haeberli and
    D. Voorhies, "Image processing by interpolation and extrapolation", 1994.
    Sums are whole numbers below 2²⁴, so exact in float32; half of one more keeps the division by 100 exact too.
    """
    planes = np.empty((3, BLOCK), np.uint8)
    rest = np.float32(np.float32(100) - percent)
    for start in range(0, grey.size, BLOCK):
        count = min(BLOCK, grey.size - start)
        block = source[3 * start : 3 * (start + count)]
        out = target[3 * start : 3 * (start + count)]
        base = grey[start : start + count]
        blue = planes[0]
        green = planes[1]
        red = planes[2]
        for i in range(count):
            blue[i] = block[3 * i]
            green[i] = block[3 * i + 1]
            red[i] = block[3 * i + 2]
        for c in range(3):
            plane = planes[c]
            for i in range(count):
                mixed = np.float32(base[i]) * rest + (np.float32(plane[i]) * percent + np.float32(50.5))
                level = np.int32(max(mixed, np.float32(0)) * np.float32(0.01))
                plane[i] = np.uint8(max(np.int32(0), min(level, np.int32(255))))
        for i in range(count):
            out[3 * i] = blue[i]
            out[3 * i + 1] = green[i]
            out[3 * i + 2] = red[i]


@colour(Saturation)
def saturation(pixels: Pixels, parameters: Saturation) -> Pixels:
    """Grey + (x - grey) · percent / 100 in each channel, rounded half up, saturated, in place.

    Grey is OpenCV's BGR2GRAY.
    """
    if pixels.ndim == 2:
        return pixels
    flat, grey = pixels.reshape(-1), grayscale(pixels, Grayscale())
    _saturate(flat, grey.reshape(-1), float(parameters.percent), flat)
    return pixels
