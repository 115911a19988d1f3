"""Resize."""

from typing import Final, Literal

import cv2
from pydantic import Field

from services.process.picture import Pixels
from services.process.registry import Parameters, Size, geometry

#: The box in pixels when neither width nor height is given.
_BOX: Final = 1024


class Resize(Parameters):
    """Another size; without width and height it fits in 1024×1024 pixels."""

    width: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Width in pixels; none follows from the height.",
        json_schema_extra={"unit": "px"},
    )
    height: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Height in pixels; none follows from the width.",
        json_schema_extra={"unit": "px"},
    )
    fit: Literal["inside", "stretch"] = Field(
        "inside", description="inside keeps the proportions within width×height, stretch takes both as they are."
    )
    enlarge: bool = Field(True, description="Whether a smaller picture may grow.")  # noqa: FBT003 - pydantic's default


def resized(parameters: Resize, size: Size) -> Size:
    """Width and height in pixels after this resize; sides are rounded half up and at least 1."""
    width, height = size
    box = (parameters.width, parameters.height)
    if box == (None, None):
        box = (_BOX, _BOX)
    if parameters.fit == "stretch" or (box[0] == width and box[1] == height):
        new = (box[0] or width, box[1] or height)
    else:
        scale = min(side / old for side, old in zip(box, size, strict=True) if side)
        new = (max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5)))
    return new if parameters.enlarge or (new[0] <= width and new[1] <= height) else size


def _settled(parameters: Resize, size: Size) -> Resize:
    width, height = resized(parameters, size)
    return Resize(width=width, height=height, fit="stretch")


@geometry(Resize, resized=resized, settled=_settled)
def resize(pixels: Pixels, parameters: Resize) -> Pixels:
    """OpenCV's resize: INTER_AREA when both sides shrink, else INTER_CUBIC."""
    height, width = pixels.shape[:2]
    new = resized(parameters, (width, height))
    if new == (width, height):
        return pixels
    shrinks = new[0] <= width and new[1] <= height
    return cv2.resize(pixels, new, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
