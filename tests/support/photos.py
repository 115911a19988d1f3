"""Real photos to develop: of Debian's wallpaper packages, else those that come with scikit-image."""

import shutil
from pathlib import Path

import cv2
import skimage

#: Debian's mate-backgrounds: JPEG of 1.3 to 4.9 megapixels, most with EXIF, one progressive.
_NATURE = Path("/usr/share/backgrounds/mate/nature")
#: Debian's lomiri-wallpapers-16.04: JPEG of up to 13 megapixels; taken at a quarter of their size.
_WALLPAPERS = Path("/usr/share/backgrounds")
_OF_LIBRARY = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png"),
    *("coins.png", "color.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png"),
    *("motorcycle_left.png", "motorcycle_right.png", "page.png", "retina.jpg", "rocket.jpg", "text.png"),
)
NUMBER = 20


def installed() -> str | None:
    """Where Debian's photos are, if there are enough of them."""
    return str(_NATURE) if len(_of_system()) >= NUMBER else None


def collect(folder: Path) -> list[Path]:
    """Copy 20 photos into a folder."""
    library = Path(skimage.__file__).parent / "data"
    sources = _of_system() if installed() else [library / name for name in _OF_LIBRARY]
    return [_copy(source, folder / source.name) for source in sources[:NUMBER]]


def _of_system() -> list[Path]:
    return [*sorted(_NATURE.glob("*.jpg")), *sorted(_WALLPAPERS.glob("*_by_*.jpg"))]


def _copy(source: Path, target: Path) -> Path:
    if source.parent == _WALLPAPERS:
        cv2.imwrite(str(target), cv2.imread(str(source), cv2.IMREAD_REDUCED_COLOR_4))
    else:
        shutil.copyfile(source, target)
    return target
