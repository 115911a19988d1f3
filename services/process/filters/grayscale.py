"""Grayscale."""

import cv2

from services.process.picture import Pixels
from services.process.registry import Parameters, colour


class Grayscale(Parameters):
    """Shades of grey, by the weights of ITU-R BT.601."""


@colour(Grayscale)
def grayscale(pixels: Pixels, _: Grayscale) -> Pixels:
    """H×W×3 BGR to H×W grey, exactly as OpenCV's BGR2GRAY; grey stays as it is."""
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
