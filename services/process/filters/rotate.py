"""Rotate."""

import math

import cv2
from pydantic import Field

from services.process.picture import Pixels
from services.process.registry import Parameters, Size, geometry


class Rotate(Parameters):
    """Turned clockwise; the picture grows so that nothing is cut off."""

    angle: float = Field(
        90.0,
        ge=-360,
        le=360,
        description="Degrees clockwise; steps of 90 lose nothing.",
        json_schema_extra={"unit": "°"},
    )


_QUARTERS = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}


def _resized(parameters: Rotate, size: Size) -> Size:
    width, height = size
    if parameters.angle % 90 == 0:
        return size if parameters.angle % 180 == 0 else (height, width)
    turn = math.radians(parameters.angle)
    sine, cosine = abs(math.sin(turn)), abs(math.cos(turn))
    return math.ceil(width * cosine + height * sine), math.ceil(width * sine + height * cosine)


@geometry(Rotate, resized=_resized)
def rotate(pixels: Pixels, parameters: Rotate) -> Pixels:
    """OpenCV's rotate for quarter turns, else warpAffine (bilinear) about the centre; new corners are 0."""
    if parameters.angle % 90 == 0:
        quarters = int(parameters.angle // 90) % 4
        return cv2.rotate(pixels, _QUARTERS[quarters]) if quarters else pixels
    height, width = pixels.shape[:2]
    new_width, new_height = _resized(parameters, (width, height))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -parameters.angle, 1.0)
    matrix[0, 2] += (new_width - width) / 2
    matrix[1, 2] += (new_height - height) / 2
    return cv2.warpAffine(pixels, matrix, (new_width, new_height), flags=cv2.INTER_LINEAR)
