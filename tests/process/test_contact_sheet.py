"""The contact sheet in the documentation shows what the filters do today."""

import cv2

from benchmarks.contact_sheet import SHEET, sheet


def test_the_contact_sheet_is_up_to_date() -> None:
    shown = cv2.imread(str(SHEET), cv2.IMREAD_COLOR)
    made = sheet()
    assert shown.shape == made.shape
    # the loss of JPEG; a filter that changed costs ten times as much
    assert cv2.PSNR(shown, made) > 32
