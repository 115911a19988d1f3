"""Turns a picture the way its EXIF orientation says."""

from collections.abc import Callable
from typing import Final

import cv2

from services.process.picture import Picture, Pixels
from services.process.registry import Size

_HORIZONTAL: Final = 1
_VERTICAL: Final = 0

#: EXIF orientation (JEITA CP-3451, tag 0x0112) → how the stored rows and columns become upright.
_TURNS: Final[dict[int, Callable[[Pixels], Pixels]]] = {
    2: lambda pixels: cv2.flip(pixels, _HORIZONTAL),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, _VERTICAL),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.flip(cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE), _VERTICAL),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def upright_size(size: Size, orientation: int) -> Size:
    """Width and height as seen of a picture that is stored with this size, and the other way round."""
    return (size[1], size[0]) if orientation >= 5 else size


def turn_upright(picture: Picture, orientation: int) -> Picture:
    """The picture as it is to be seen; orientation 1 gives it back unchanged."""
    turn = _TURNS.get(orientation)
    if turn is None:
        return picture
    return Picture(turn(picture.colour), None if picture.alpha is None else turn(picture.alpha))
