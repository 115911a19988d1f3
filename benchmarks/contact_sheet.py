"""Makes docs/contact-sheet.jpg: one photo through every filter at its defaults.

    .venv/bin/python -m benchmarks.contact_sheet

The photo is Chelsea the cat by Stéfan van der Walt, dedicated to the public domain (CC0), from scikit-image's data.
"""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import skimage

from services.process.chain import run_chain
from services.process.encoder import Recipe, encode
from services.process.filters import every_filter, read_chain
from services.process.limits import Limits
from services.process.picture import Picture, Pixels
from shared.events import Output

SHEET: Final = Path(__file__).parents[1] / "docs/contact-sheet.jpg"
PHOTO: Final = Path(skimage.__file__).parent / "data" / "chelsea.png"
#: Filters whose defaults leave a photo of this size as it is, with parameters that show what they do.
SHOWN: Final[dict[str, dict[str, Any]]] = {
    "crop": {"x": 90, "y": 30, "width": 140, "height": 100},
    "resize": {"width": 110},
}
COLUMNS: Final = 5
#: Width and height in pixels of a picture, and the height of the strip with its name.
CELL: Final = (226, 150)
STRIP: Final = 26
#: Pixels of white around both, on two sides together.
FRAME: Final = 8


def sheet() -> Pixels:
    """The whole sheet, H×W×3 BGR."""
    photo = cv2.resize(cv2.imread(str(PHOTO), cv2.IMREAD_COLOR), CELL, interpolation=cv2.INTER_AREA)
    cells = [_cell(photo, "original")]
    for name in every_filter():
        chain = read_chain([{"name": name, **SHOWN.get(name, {})}])
        cells.append(_cell(run_chain(Picture(photo.copy()), chain, Limits()).colour, name))
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % COLUMNS)
    return np.vstack([np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)])


def _cell(pixels: Pixels, name: str) -> Pixels:
    """A picture in the middle of a white cell, with its name under it."""
    colour = pixels if pixels.ndim == 3 else cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    scale = min(1.0, CELL[0] / colour.shape[1], CELL[1] / colour.shape[0])
    if scale < 1:
        colour = cv2.resize(colour, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = colour.shape[:2]
    cell = np.full((CELL[1] + STRIP + FRAME, CELL[0] + FRAME, 3), 255, np.uint8)
    top, left = 4 + (CELL[1] - height) // 2, 4 + (CELL[0] - width) // 2
    cell[top : top + height, left : left + width] = colour
    cv2.putText(cell, name, (6, CELL[1] + 22), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 60), 1, cv2.LINE_AA)
    return cell


def main() -> None:
    """Write the sheet."""
    SHEET.write_bytes(encode(Picture(sheet()), Recipe("jpeg", Output(quality=90))).data)


if __name__ == "__main__":
    main()
