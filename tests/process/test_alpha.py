"""What becomes of alpha: colour comes out as it went in, and blending costs no memory to speak of."""

import io
import tracemalloc

import cv2
import numpy as np
import pytest
import tifffile

from services.process import codec, tiff
from services.process.encoder import Recipe, encode
from services.process.header import read_header
from services.process.limits import Limits
from services.process.picture import Picture
from shared.events import Output
from tests.process.pictures import noise, scene


def tiff_of(colour: np.ndarray, alpha: np.ndarray, kind: str, dtype: type) -> bytes:
    """A TIFF of 8 or 16 bits with the colour as given, or multiplied by alpha."""
    rgb = colour[:, :, ::-1].astype(float)
    if kind == "assocalpha":
        rgb = rgb * alpha[:, :, None] / 255
    samples = np.dstack([rgb, alpha]) * (np.iinfo(dtype).max / 255)
    data = io.BytesIO()
    tifffile.imwrite(data, np.rint(samples).astype(dtype), photometric="rgb", extrasamples=[kind])
    return data.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_a_tiff_with_alpha_keeps_its_colours_whichever_way_it_holds_them(kind: str, dtype: type) -> None:
    colour, alpha = scene(40, 64), np.clip(noise(40, 64, 1), 128, 255)
    data = memoryview(tiff_of(colour, alpha, kind, dtype))
    made = codec.decode(data, read_header(data), Limits()).frames[0]
    np.testing.assert_array_equal(made.alpha, alpha)
    np.testing.assert_allclose(made.colour.astype(int), colour, atol=2)


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[:, :, None].astype(np.int64)
    return ((colour * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def divided(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = np.maximum(alpha, 1)[:, :, None].astype(np.int64)
    return np.minimum((colour.astype(np.int64) * 255 + share // 2) // share, 255).astype(np.uint8)


def every_pair() -> tuple[np.ndarray, np.ndarray]:
    """Colour and alpha with all pairs of a sample and an alpha, over several strips."""
    alpha, grey = np.tile(np.mgrid[0:256, 0:256].astype(np.uint8), (1, 3, 1))
    return np.dstack([grey, 255 - grey, grey]), alpha


def test_blending_is_exact() -> None:
    colour, alpha = every_pair()
    best = Recipe("jpeg", Output(quality=100, subsampling="444"))
    given = colour.copy()
    written = encode(Picture(given, alpha), best)
    assert bytes(written.data) == bytes(encode(Picture(on_white(colour, alpha)), best).data)
    np.testing.assert_array_equal(given, colour)


def test_dividing_is_exact() -> None:
    colour, alpha = every_pair()
    expected = divided(colour, alpha)
    tiff.divide(colour, alpha)
    np.testing.assert_array_equal(colour, expected)


def peak(pixels: int) -> float:
    """Bytes per pixel at the most since tracing began."""
    return tracemalloc.get_traced_memory()[1] / pixels


def test_alpha_costs_few_bytes_per_pixel() -> None:
    height, width = 1500, 2000
    colour, alpha = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    data = memoryview(cv2.imencode(".tiff", np.dstack([colour, alpha]))[1].tobytes())
    header = read_header(data)
    tracemalloc.start()
    try:
        encode(Picture(colour, alpha), Recipe("jpeg"))
        assert peak(alpha.size) < 4.5, "the blended picture and little more"
        encode(Picture(colour, alpha), Recipe("png"))
        assert peak(alpha.size) < 6, "the four planes and the file"
        tracemalloc.reset_peak()
        assert codec.decode(data, header, Limits()).frames[0].alpha is not None
        assert peak(alpha.size) < 9.5, "what was decoded, and its colour and alpha apart"
    finally:
        tracemalloc.stop()
