"""Applies a tone table to samples at the speed of memory, where the table allows.

Looking samples up one by one is slow; most tables, and most tables composed of them, are a straight line between two
levels, which vector instructions compute. A table is recognised as one of these, checked on all 256 levels, and
looked up only when it is none.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from services.process.kernels import Kernel, Scalar, kernel
from services.process.picture import Pixels
from services.process.registry import Table

#: Steps of the search for the gain of a line; each leaves two thirds of the interval.
_STEPS: Final = 80
#: Gains outside ± this many levels per level are steps, not lines.
_STEEPEST: Final = 16.0
_LEVELS: Final = np.arange(256, dtype=np.float64)
#: In 16 bits a level has this many parts, and a gain this many parts of that.
_PARTS: Final = 128
_FINE: Final = 256


class Line(NamedTuple):
    """A kernel with the numbers that make it a straight line from level to level."""

    compute: Kernel[Any, None]
    numbers: tuple[Scalar, ...]

    def __call__(self, samples: Pixels) -> None:
        """Compute N samples in place."""
        self.compute(samples, *self.numbers)

    def makes(self, levels: Table) -> bool:
        """Whether it turns 0 … 255 into these levels."""
        made = np.arange(256, dtype=np.uint8)
        self(made)
        return np.array_equal(made, levels)


@kernel("void(uint8[::1], uint8, uint8, uint8, uint8)")
def _shift(samples: Pixels, flip: Scalar, low: Scalar, high: Scalar, shift: Scalar) -> None:
    """The flipped x (x ^ flip), limited to low … high, + shift modulo 256, on N uint8 samples in place."""
    for i in range(samples.size):
        samples[i] = np.uint8(min(max(np.uint8(samples[i] ^ flip), low), high) + shift)


@kernel("void(uint8[::1], uint8, uint16, uint16, uint16, uint16, uint16)")
def _fixed(
    samples: Pixels, flip: Scalar, coarse: Scalar, fine: Scalar, low: Scalar, high: Scalar, offset: Scalar
) -> None:
    """The flipped x times (coarse + fine / 256) / 128, + offset / 128, rounded down, on N uint8 samples in place.

    The product is limited to low … high, so that the sum stays in its 16 bits and the result in its 8.
    """
    for i in range(samples.size):
        x = np.uint16(np.uint8(samples[i] ^ flip))
        product = np.uint16(np.uint16(x * coarse) + np.uint16(np.uint16(x * fine) // np.uint16(256)))
        samples[i] = np.uint8(np.uint16(min(max(product, low), high) + offset) // np.uint16(128))


@kernel("void(uint8[::1], float32, float32, float32, float32)")
def _line(samples: Pixels, gain: Scalar, offset: Scalar, low: Scalar, high: Scalar) -> None:
    """floor(gain · x + offset), limited to low … high, on N uint8 samples in place."""
    for i in range(samples.size):
        value = min(max(np.float32(samples[i]) * gain + offset, low), high)
        samples[i] = np.uint8(max(np.int32(0), min(np.int32(value), np.int32(255))))


def apply_table(pixels: Pixels, table: Table) -> None:
    """Look every sample of `pixels` up in `table` (256 uint8), in place."""
    line = recognise(table.tobytes())
    if line is None:
        cv2.LUT(pixels, table, dst=pixels)
    else:
        line(pixels.reshape(-1))


@lru_cache(maxsize=1024)
def recognise(table: bytes) -> Line | None:
    """The line that a table of 256 levels is, if it is one; proven by computing all 256 with the kernel itself."""
    levels = np.frombuffer(table, np.uint8)
    return _shift_of(levels) or _line_of(levels)


def _shift_of(levels: Table) -> Line | None:
    low, high = int(levels.min()), int(levels.max())
    inner = np.flatnonzero((levels > low) & (levels < high))
    x = int(inner[0]) if inner.size else int(np.flatnonzero(levels == high)[0])
    for flip in (0, 255):
        shift = int(levels[x]) - (x ^ flip)
        limits = (min(max(level - shift, 0), 255) for level in (low, high))
        line = Line(_shift, (flip, *limits, shift % 256))
        if line.makes(levels):
            return line
    return None


def _fixed_of(levels: Table, gain: float, offset: float) -> Line | None:
    """The line in 16 bits; its parts are coarse, so those next to the given offset are tried as well."""
    flip, gain, offset = (0, gain, offset) if gain >= 0 else (255, -gain, offset + 255 * gain)
    parts = round(gain * _PARTS * _FINE)
    if parts >= _FINE**2:
        return None
    least, most = int(levels.min()) * _PARTS, (int(levels.max()) + 1) * _PARTS - 1
    for part in (0, 1, -1, 2):
        shift = round(offset * _PARTS) + part
        limits = (min(max(level - shift, 0), 65535) for level in (least, most))
        line = Line(_fixed, (flip, *divmod(parts, _FINE), *limits, shift % 65536))
        if line.makes(levels):
            return line
    return None


def _line_of(levels: Table) -> Line | None:
    """Find gain and offset by ternary search: the room for the offset is concave in the gain."""
    low, high = int(levels.min()), int(levels.max())
    least = np.where(levels > low, levels.astype(np.float64), -np.inf)
    below = np.where(levels < high, levels + 1.0, np.inf)

    def room(gain: float) -> tuple[float, float]:
        bottom = float(np.max(least - gain * _LEVELS))
        top = float(np.min(below - gain * _LEVELS))
        return top - bottom, (top + bottom) / 2

    left, right = -_STEEPEST, _STEEPEST
    for _ in range(_STEPS):
        third = (right - left) / 3
        if room(left + third)[0] < room(right - third)[0]:
            left += third
        else:
            right -= third
    gain = (left + right) / 2
    offset = room(gain)[1]
    line = _fixed_of(levels, gain, offset) or Line(_line, (gain, offset, low, high))
    return line if line.makes(levels) else None
