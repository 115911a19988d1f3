"""Flip."""

from typing import Literal

import cv2
from pydantic import Field

from services.process.picture import Pixels
from services.process.registry import Parameters, Size, geometry


class Flip(Parameters):
    """The mirror image."""

    direction: Literal["horizontal", "vertical", "both"] = Field(
        "horizontal", description="horizontal swaps left and right, vertical swaps top and bottom."
    )


def _resized(_: Flip, size: Size) -> Size:
    return size


@geometry(Flip, resized=_resized)
def flip(pixels: Pixels, parameters: Flip) -> Pixels:
    """OpenCV's flip."""
    return cv2.flip(pixels, {"horizontal": 1, "vertical": 0, "both": -1}[parameters.direction])
