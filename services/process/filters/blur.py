"""Blur."""

import cv2
from pydantic import Field, field_validator

from services.process.picture import Pixels
from services.process.registry import Parameters, area


class Blur(Parameters):
    """A soft picture (Gaussian blur)."""

    size: int = Field(
        9,
        ge=1,
        le=99,
        description="Width of the blur in pixels, an odd number.",
        json_schema_extra={"not": {"multipleOf": 2}},
    )
    sigma: float = Field(0.0, ge=0, le=50, description="Standard deviation in pixels; 0 follows from the size.")

    @field_validator("size")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError("the size must be odd")
        return size


@area(Blur)
def blur(pixels: Pixels, parameters: Blur) -> Pixels:
    """Exactly OpenCV's GaussianBlur with a square kernel and the border reflected (101)."""
    return cv2.GaussianBlur(pixels, (parameters.size, parameters.size), parameters.sigma)
