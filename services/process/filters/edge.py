"""Edge."""

import cv2
from pydantic import Field, model_validator

from services.process.picture import Pixels
from services.process.registry import Parameters, area


class Edge(Parameters):
    """White outlines on black (Canny)."""

    low: int = Field(75, ge=0, le=2000, description="Gradient above which a pixel continues an outline.")
    high: int = Field(150, ge=0, le=2000, description="Gradient above which a pixel starts an outline.")

    @model_validator(mode="after")
    def _ordered(self) -> "Edge":
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


@area(Edge)
def edge(pixels: Pixels, parameters: Edge) -> Pixels:
    """H×W, 255 on outlines and 0 elsewhere: exactly OpenCV's BGR2GRAY, then Canny (aperture 3, L1 gradient)."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return cv2.Canny(grey, parameters.low, parameters.high)
