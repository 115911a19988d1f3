"""Emboss."""

import cv2
import numpy as np
from pydantic import Field

from services.process.picture import Pixels
from services.process.registry import Parameters, area


class Emboss(Parameters):
    """A relief, lit from the top left."""

    amount: int = Field(1, ge=1, le=10, description="Depth of the relief.")


@area(Emboss)
def emboss(pixels: Pixels, parameters: Emboss) -> Pixels:
    """Exactly OpenCV's filter2D with [-2a -a 0; -a 1 a; 0 a 2a], border reflected (101)."""
    a = parameters.amount
    return cv2.filter2D(pixels, -1, np.array([[-2 * a, -a, 0], [-a, 1, a], [0, a, 2 * a]], dtype=np.float32))
