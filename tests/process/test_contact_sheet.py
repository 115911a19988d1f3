"""The contact sheet in the documentation shows what the filters do today."""

from collections.abc import Iterator

import cv2
import numpy as np

from benchmarks.contact_sheet import CELL, FRAME, SHEET, STRIP, sheet


def cells(picture: np.ndarray) -> Iterator[np.ndarray]:
    width, height = CELL[0] + FRAME, CELL[1] + STRIP + FRAME
    for top in range(0, picture.shape[0], height):
        for left in range(0, picture.shape[1], width):
            yield picture[top : top + height, left : left + width]


def test_every_picture_of_the_contact_sheet_is_up_to_date() -> None:
    shown = cv2.imread(str(SHEET), cv2.IMREAD_COLOR)
    made = sheet()
    assert shown.shape == made.shape
    # the loss of JPEG; a filter that changed costs ten times as much
    losses = [cv2.PSNR(one, other) for one, other in zip(cells(shown), cells(made), strict=True)]
    assert min(losses) > 28, losses
