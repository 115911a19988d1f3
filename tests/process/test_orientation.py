"""A picture comes out the way up that its orientation says, in every format, once: as Pillow turns it."""

import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from services.process.pipeline import develop
from services.process.request import Request
from shared.blobs import BlobStore
from shared.events import FilterSpec, Output
from tests.process.pictures import scene

ORIENTATION = 0x0112
KINDS = {
    "JPEG": {"quality": 95},
    "PNG": {},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95},
    "TIFF": {},
}


def picture(height: int = 40, width: int = 64) -> np.ndarray:
    """No two corners alike."""
    pixels = scene(height, width)
    pixels[: height // 4, : width // 3] = (0, 0, 255)
    return pixels


def written(pixels: np.ndarray, kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    where = {"tiffinfo": {ORIENTATION: orientation}} if kind == "TIFF" else {"exif": exif}
    data = io.BytesIO()
    Image.fromarray(pixels[..., ::-1] if pixels.ndim == 3 else pixels).save(data, kind, **where, **KINDS[kind])
    return data.getvalue()


def upright(data: bytes) -> np.ndarray:
    """As Pillow shows it, BGR."""
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return np.ascontiguousarray(np.array(shown.convert("RGB"))[:, :, ::-1])


def developed(store: BlobStore, data: bytes, *filters: FilterSpec, frames: str = "first") -> np.ndarray:
    store.put("inbox/picture", data)
    output = Output(format="png", metadata="all", frames=frames)
    report = develop(
        Request(job_id="0-a", source="inbox/picture", owner="local", filters=[*filters], output=output), store
    )
    assert report.result is not None, report.error
    made = store.get(report.result.key)
    # Pillow again, so that a tag that still turns would show.
    return upright(bytes(made))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_turned_once(kind: str, orientation: int, store: BlobStore) -> None:
    for pixels in (picture(), np.ascontiguousarray(picture()[:, :, 2])):
        data = written(pixels, kind, orientation)
        expected = upright(data)
        for frames in ("first", "all"):
            made = developed(store, data, frames=frames)
            assert made.shape == expected.shape
            assert cv2.PSNR(made, expected) > 30


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_shrunk_first_is_turned_once(kind: str, orientation: int, store: BlobStore) -> None:
    data = written(picture(160, 256), kind, orientation)
    expected = upright(data)
    size = (expected.shape[1] // 4, expected.shape[0] // 4)
    made = developed(store, data, {"name": "resize", "width": size[0]})
    assert (made.shape[1], made.shape[0]) == size
    assert cv2.PSNR(made, cv2.resize(expected, size, interpolation=cv2.INTER_AREA)) > 25


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_of_sixteen_bits_is_turned_once(orientation: int, store: BlobStore) -> None:
    expected = upright(written(picture(), "PNG", orientation))
    data = io.BytesIO()
    deep = picture()[:, :, ::-1].astype(np.uint16) * 257
    tifffile.imwrite(data, deep, photometric="rgb", extratags=[(ORIENTATION, "H", 1, orientation)])
    np.testing.assert_array_equal(developed(store, data.getvalue()), expected)
