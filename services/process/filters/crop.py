"""Crop."""

import numpy as np
from pydantic import Field

from services.process.picture import Pixels
from services.process.registry import Parameters, Size, geometry
from shared.errors import InvalidParameter


class Crop(Parameters):
    """A rectangle of the picture; what reaches over its edges is left out."""

    x: int = Field(0, ge=0, le=65535, description="Left edge in pixels.", json_schema_extra={"unit": "px"})
    y: int = Field(0, ge=0, le=65535, description="Top edge in pixels.", json_schema_extra={"unit": "px"})
    width: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Width in pixels; none goes to the right edge.",
        json_schema_extra={"unit": "px"},
    )
    height: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Height in pixels; none goes to the bottom edge.",
        json_schema_extra={"unit": "px"},
    )


def _resized(parameters: Crop, size: Size) -> Size:
    width, height = size
    for name, start, end in (("x", parameters.x, width), ("y", parameters.y, height)):
        if start >= end:
            raise InvalidParameter(
                f"filter crop: parameter {name}: {start} is outside this picture; at most {end - 1} is allowed.",
                filter="crop",
                parameter=name,
                allowed=end - 1,
            )
    return (
        min(parameters.width or width, width - parameters.x),
        min(parameters.height or height, height - parameters.y),
    )


@geometry(Crop, resized=_resized)
def crop(pixels: Pixels, parameters: Crop) -> Pixels:
    """The rectangle, copied."""
    width, height = _resized(parameters, (pixels.shape[1], pixels.shape[0]))
    return np.ascontiguousarray(pixels[parameters.y : parameters.y + height, parameters.x : parameters.x + width])
