"""Applies a tone table to samples at the speed of memory, where the table allows.

Looking samples up one by one is slow; most tables, and most tables composed of them, are a straight line between two
levels, which vector instructions compute. A table is recognised as one of these, checked on all 256 levels, and
looked up only when it is none.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np

from services.process.kernels import Scalar, kernel
from services.process.picture import Pixels
from services.process.registry import Table

#: Steps of the search for the gain of a line; each leaves two thirds of the interval.
_STEPS: Final = 80
#: Gains outside ± this many levels per level are steps, not lines.
_STEEPEST: Final = 16.0
_LEVELS: Final = np.arange(256, dtype=np.float64)


class Line(NamedTuple):
    """floor(gain · x + offset), limited to low … high."""

    gain: float
    offset: float
    low: int
    high: int


@kernel("void(uint8[::1], int16, int16, int16, int16)")
def _shift(samples: Pixels, sign: Scalar, offset: Scalar, low: Scalar, high: Scalar) -> None:
    """Sign · x + offset, limited to low … high, on N samples in place; sign is 1 or -1."""
    for i in range(samples.size):
        value = np.int16(np.int16(np.int16(samples[i]) * sign) + offset)
        samples[i] = np.uint8(min(max(value, low), high))


@kernel("void(uint8[::1], float32, float32, float32, float32)")
def _line(samples: Pixels, gain: Scalar, offset: Scalar, low: Scalar, high: Scalar) -> None:
    """floor(gain · x + offset), limited to low … high, on N samples in place."""
    for i in range(samples.size):
        value = min(max(np.float32(samples[i]) * gain + offset, low), high)
        samples[i] = np.uint8(max(np.int32(0), min(np.int32(value), np.int32(255))))


def apply_table(pixels: Pixels, table: Table) -> None:
    """Look every sample of `pixels` up in `table` (256 uint8), in place."""
    line = recognise(table.tobytes())
    if line is None:
        cv2.LUT(pixels, table, dst=pixels)
    elif abs(line.gain) == 1:
        _shift(pixels.reshape(-1), int(line.gain), int(line.offset), line.low, line.high)
    else:
        _line(pixels.reshape(-1), *line)


@lru_cache(maxsize=1024)
def recognise(table: bytes) -> Line | None:
    """The line that a table of 256 levels is, if it is one; proven by computing all 256 with the kernel itself."""
    levels = np.frombuffer(table, np.uint8)
    return _shift_of(levels) or _line_of(levels)


def _shift_of(levels: Table) -> Line | None:
    low, high = int(levels.min()), int(levels.max())
    inner = np.flatnonzero((levels > low) & (levels < high))
    x = int(inner[0]) if inner.size else int(np.flatnonzero(levels == high)[0])
    for sign in (1, -1):
        line = Line(sign, int(levels[x]) - sign * x, low, high)
        made = np.clip(sign * np.arange(256) + int(line.offset), low, high)
        if np.array_equal(made, levels):
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
    line = Line(gain, room(gain)[1], low, high)
    made = np.arange(256, dtype=np.uint8)
    _line(made, *line)
    return line if np.array_equal(made, levels) else None
