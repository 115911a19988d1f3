"""Runs a picture through a chain of filters."""

from collections.abc import Sequence

import cv2

from services.process.limits import Limits
from services.process.picture import Picture
from services.process.registry import Filter, Kind, Parameters


def run_chain(picture: Picture, chain: Sequence[tuple[Filter, Parameters]], limits: Limits) -> Picture:
    """The picture after all filters; colour and area filters leave alpha alone.

    Raises TooManyPixels before a filter would make too large a picture, InvalidParameter for a crop outside it.
    """
    for known, parameters in chain:
        picture = _apply(picture, known, parameters, limits)
    return picture


def _apply(picture: Picture, known: Filter, parameters: Parameters, limits: Limits) -> Picture:
    if known.kind is Kind.TONE:
        return Picture(cv2.LUT(picture.colour, known.apply(parameters)), picture.alpha)
    if known.resized is not None:
        limits.check_pixels(*known.resized(parameters, (picture.width, picture.height)), step=known.name)
        alpha = None if picture.alpha is None else known.apply(picture.alpha, parameters)
        return Picture(known.apply(picture.colour, parameters), alpha)
    return Picture(known.apply(picture.colour, parameters), picture.alpha)
