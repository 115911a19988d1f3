"""What the eight classic filters give at their defaults, said in OpenCV and whole numbers."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

Pixels = np.ndarray

SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
#: Thousandths of blue, green and red, for the blue, green and red of the result.
SEPIA = np.array([[131, 534, 272], [168, 686, 349], [189, 769, 393]], np.int32)


def grey(pixels: Pixels) -> Pixels:
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)


def sepia(pixels: Pixels) -> Pixels:
    """Exact thousandths, rounded half up, saturated."""
    return np.minimum((pixels.astype(np.int32) @ SEPIA.T + 500) // 1000, 255).astype(np.uint8)


#: H×W×3 uint8 BGR in; H×W×3 or, where no colour is left, H×W out.
REFERENCES: dict[str, Callable[[Pixels], Pixels]] = {
    "grayscale": grey,
    "blur": lambda pixels: cv2.GaussianBlur(pixels, (9, 9), 0),
    "edge": lambda pixels: cv2.Canny(grey(pixels), 75, 150),
    "sharpen": lambda pixels: cv2.filter2D(pixels, -1, SHARPEN),
    "emboss": lambda pixels: cv2.filter2D(pixels, -1, EMBOSS),
    "sepia": sepia,
    "negative": lambda pixels: 255 - pixels,
    "brighten": lambda pixels: cv2.add(pixels, np.full_like(pixels, 40)),
}


def decoded(data: bytes | Path) -> Pixels:
    """The pixels of an image as they are stored: H×W for grey, H×W×3 BGR for colour; turned upright by EXIF."""
    if isinstance(data, Path):
        data = data.read_bytes()
    flags = cv2.IMREAD_ANYCOLOR
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


def developed(data: bytes | Path, *chain: str) -> Pixels:
    """A photo in colour after some filters at their defaults."""
    pixels = decoded(data)
    for name in chain:
        pixels = REFERENCES[name](pixels)
    return pixels
