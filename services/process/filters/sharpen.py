"""Sharpen."""

import cv2
import numpy as np
from pydantic import Field

from services.process.picture import Pixels
from services.process.registry import Parameters, area


class Sharpen(Parameters):
    """Crisper details."""

    amount: int = Field(1, ge=1, le=10, description="Strength: how much of the difference to the neighbours is added.")


@area(Sharpen)
def sharpen(pixels: Pixels, parameters: Sharpen) -> Pixels:
    """Exactly OpenCV's filter2D with [0 -a 0; -a 1+4a -a; 0 -a 0], border reflected (101)."""
    a = parameters.amount
    return cv2.filter2D(pixels, -1, np.array([[0, -a, 0], [-a, 1 + 4 * a, -a], [0, -a, 0]], dtype=np.float32))
