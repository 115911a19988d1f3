"""Edge."""

from typing import Final

import numpy as np
from pydantic import Field, model_validator

from services.process.filters.grayscale import Grayscale, grayscale
from services.process.kernels import kernel
from services.process.picture import Pixels
from services.process.registry import Parameters, area

#: Samples before each row of the scratch arrays: a border, and every row starts on a 64-byte line.
_LINE: Final = 32
#: Columns that are looked at together; where none of them rises above the low threshold, nothing more is computed.
_TILE: Final = 256
#: Marks of a pixel that may be on an outline, and of one that is; 0 is none.
_WEAK: Final = 1
_STRONG: Final = 2


class Edge(Parameters):
    """White outlines on black (Canny)."""

    low: int = Field(75, ge=0, le=2000, description="Gradient above which a pixel continues an outline.")
    high: int = Field(150, ge=0, le=2000, description="Gradient above which a pixel starts an outline.")

    @model_validator(mode="after")
    def _ordered(self) -> "Edge":
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


@kernel("void(uint8[::1], int64, int64, int64, int16[:, ::1], int16[:, ::1])")
def _gradient(grey: Pixels, y: int, height: int, width: int, scratch: Pixels, gradient: Pixels) -> None:
    """Sobel gradient (aperture 3, border replicated) of row y: |dx| + |dy|, dx and dy, which start at _LINE."""
    up = max(y - 1, 0)
    down = min(y + 1, height - 1)
    above = grey[up * width : (up + 1) * width]
    here = grey[y * width : (y + 1) * width]
    below = grey[down * width : (down + 1) * width]
    smooth = scratch[0][_LINE : _LINE + width]
    slope = scratch[1][_LINE : _LINE + width]
    for i in range(width):
        smooth[i] = np.int16(
            np.int16(np.int16(above[i]) + np.int16(below[i])) + np.int16(np.int16(here[i]) * np.int16(2))
        )
        slope[i] = np.int16(np.int16(below[i]) - np.int16(above[i]))
    for line in scratch:
        line[_LINE - 1] = line[_LINE]
        line[_LINE + width] = line[_LINE + width - 1]
    smooth_left = scratch[0][_LINE - 1 : _LINE - 1 + width]
    smooth_right = scratch[0][_LINE + 1 : _LINE + 1 + width]
    slope_left = scratch[1][_LINE - 1 : _LINE - 1 + width]
    slope_right = scratch[1][_LINE + 1 : _LINE + 1 + width]
    size = gradient[0][_LINE : _LINE + width]
    dx = gradient[1][_LINE : _LINE + width]
    dy = gradient[2][_LINE : _LINE + width]
    for i in range(width):
        gx = np.int16(smooth_right[i] - smooth_left[i])
        gy = np.int16(np.int16(slope_left[i] + slope_right[i]) + np.int16(slope[i] * np.int16(2)))
        dx[i] = gx
        dy[i] = gy
        size[i] = np.int16(max(gx, np.int16(np.int16(0) - gx)) + max(gy, np.int16(np.int16(0) - gy)))


@kernel("void(int16[:, ::1], int16[:, ::1], int16[:, ::1], int64, int16, int16, uint8[::1])")
def _thin(above: Pixels, here: Pixels, below: Pixels, width: int, low: int, high: int, row: Pixels) -> None:
    """Mark the pixels of one row whose gradient is a maximum along its direction and above the thresholds.

    A direction is flat when |dy| < tan 22.5° · |dx| and steep when |dy| > tan 67.5° · |dx|. With t = 13573 / 2¹⁵, as
    in OpenCV, and tan 67.5° = t + 2, both compare with floor(|dx| · t): the product is no whole number but for 0.
    """
    for begin in range(_LINE, _LINE + width, _TILE):
        count = min(_TILE, _LINE + width - begin)
        centre = here[0][begin : begin + count]
        most = np.int16(0)
        for i in range(count):
            most = max(most, centre[i])
        if most <= low:
            continue
        up_left = above[0][begin - 1 : begin - 1 + count]
        up = above[0][begin : begin + count]
        up_right = above[0][begin + 1 : begin + 1 + count]
        left = here[0][begin - 1 : begin - 1 + count]
        right = here[0][begin + 1 : begin + 1 + count]
        down_left = below[0][begin - 1 : begin - 1 + count]
        down = below[0][begin : begin + count]
        down_right = below[0][begin + 1 : begin + 1 + count]
        dx = here[1][begin : begin + count]
        dy = here[2][begin : begin + count]
        out = row[begin - _LINE : begin - _LINE + count]
        for i in range(count):
            value = centre[i]
            gx = dx[i]
            gy = dy[i]
            ax = max(gx, np.int16(np.int16(0) - gx))
            ay = max(gy, np.int16(np.int16(0) - gy))
            bound = np.int16(np.uint32(np.uint32(ax) * np.uint32(2 * 13573)) // np.uint32(65536))
            flat = ay <= bound
            steep = np.int16(ay - np.int16(ax * np.int16(2))) > bound
            falling = np.int16(gx ^ gy) < np.int16(0)
            across = (value > left[i]) & (value >= right[i])
            along = (value > up[i]) & (value >= down[i])
            slash = (value > up_right[i]) & (value > down_left[i])
            backslash = (value > up_left[i]) & (value > down_right[i])
            diagonal = (falling & slash) | ((~falling) & backslash)
            peak = (flat & across) | ((~flat) & ((steep & along) | ((~steep) & diagonal)))
            weak = (value > low) & peak
            strong = (value > high) & weak
            out[i] = np.uint8(np.uint8(weak) + np.uint8(strong))


@kernel("void(uint8[::1], int64)")
def _grow(marks: Pixels, wide: int) -> None:
    """Make every weak pixel strong that touches a strong one, however far that reaches; rows are `wide` apart."""
    stack = np.empty(4096, np.int64)
    found = np.empty(8, np.int64)
    words = marks[: (marks.size // 8) * 8].view(np.uint64)
    for word in range(words.size):
        if words[word] & np.uint64(0x0202020202020202) == np.uint64(0):
            continue
        count = 0
        for at in range(8 * word, 8 * word + 8):
            found[count] = at
            count += marks[at] // _STRONG
        for j in range(count):
            at = found[j]
            near = marks[at - wide - 1] | marks[at - wide] | marks[at - wide + 1] | marks[at - 1]
            near |= marks[at + 1] | marks[at + wide - 1] | marks[at + wide] | marks[at + wide + 1]
            if near & _WEAK == 0:
                continue
            stack[0] = at
            depth = 1
            while depth > 0:
                depth -= 1
                at = stack[depth]
                if depth + 8 > stack.size:
                    larger = np.empty(2 * stack.size, np.int64)
                    larger[: stack.size] = stack
                    stack = larger
                for step in (-wide - 1, -wide, -wide + 1, -1, 1, wide - 1, wide, wide + 1):
                    if marks[at + step] == _WEAK:
                        marks[at + step] = _STRONG
                        stack[depth] = at + step
                        depth += 1


@kernel("void(uint8[::1], int64, int64, int16, int16, uint8[::1])")
def _canny(grey: Pixels, height: int, width: int, low: int, high: int, target: Pixels) -> None:
    """H·W grey uint8 samples to as many, 255 on outlines and 0 elsewhere: Canny with the L1 norm, as OpenCV has it.

    Source: J. Canny, "A computational approach to edge detection", 1986. Outside the picture gradients are 0.
    """
    wide = (width + 2 * _LINE - 1) // _LINE * _LINE
    marks = np.zeros((height + 2) * wide + _LINE, np.uint8)
    scratch = np.empty((2, wide + _LINE), np.int16)
    gradients = np.zeros((3, 3, wide + _LINE), np.int16)
    for y in range(height + 1):
        now = gradients[y % 3]
        if y < height:
            _gradient(grey, y, height, width, scratch, now)
        else:
            now[:] = 0
        if y > 0:
            row = marks[y * wide + _LINE : y * wide + _LINE + width]
            _thin(gradients[(y + 1) % 3], gradients[(y - 1) % 3], now, width, low, high, row)
    _grow(marks, wide)
    for y in range(height):
        row = marks[(y + 1) * wide + _LINE : (y + 1) * wide + _LINE + width]
        out = target[y * width : (y + 1) * width]
        for i in range(width):
            out[i] = np.uint8(np.uint8(row[i] // np.uint8(_STRONG)) * np.uint8(255))


@area(Edge)
def edge(pixels: Pixels, parameters: Edge) -> Pixels:
    """H×W, 255 on outlines and 0 elsewhere: exactly OpenCV's BGR2GRAY, then Canny (aperture 3, L1 gradient)."""
    grey = grayscale(pixels, Grayscale())
    # A grey of our own is not needed once the gradients are known, so the outlines take its place.
    target = np.empty_like(grey) if grey is pixels else grey
    _canny(grey.reshape(-1), grey.shape[0], grey.shape[1], parameters.low, parameters.high, target.reshape(-1))
    return target
