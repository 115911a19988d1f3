"""Pictures that tests make."""

import cv2
import numpy as np

#: The shapes that kernels stumble over: single pixels, rows and columns, odd and even, and a plain one.
SHAPES = [
    (1, 1),
    (1, 2),
    (2, 1),
    (1, 7),
    (7, 1),
    (2, 2),
    (3, 3),
    (4, 5),
    (5, 4),
    (9, 9),
    (16, 33),
    (61, 97),
    (128, 130),
]


def noise(height: int, width: int, channels: int = 3, seed: int = 7) -> np.ndarray:
    """H×W×channels of uniform noise; H×W for one channel."""
    made = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return made[:, :, 0].copy() if channels == 1 else made


def scene(height: int, width: int) -> np.ndarray:
    """A smooth picture with edges, H×W×3, that lossy codecs keep well."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack(
        [columns * 255 // max(width - 1, 1), rows * 255 // max(height - 1, 1), (rows + columns) % 256], -1
    )
    picture = picture.astype(np.uint8)
    cv2.circle(picture, (width // 2, height // 2), min(width, height) // 4, (255, 255, 255), -1)
    return cv2.GaussianBlur(picture, (5, 5), 0)


def encoded(extension: str, pixels: np.ndarray, *options: int) -> bytes:
    done, data = cv2.imencode(extension, pixels, list(options))
    assert done
    return data.tobytes()
