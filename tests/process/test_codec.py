"""What goes in comes out, in every format, the right way up."""

import dataclasses
import struct
from collections.abc import Callable

import cv2
import msgspec
import numpy as np
import pytest

from services.process import codec
from services.process.encoder import Recipe, encode
from services.process.header import read_header
from services.process.limits import Limits
from services.process.orientation import turn_upright
from services.process.output import WRITTEN
from services.process.picture import Picture
from services.process.pipeline import develop
from services.process.request import Request
from shared.blobs import BlobStore
from shared.errors import CorruptImage, TooManyPixels, UnsupportedMedia
from shared.events import Output
from tests.process.hostile import with_two_sizes
from tests.process.pictures import encoded, noise, scene

LOSSLESS = {"png": ".png", "tiff": ".tiff"}
LOSSY = {"jpeg": ".jpg", "webp": ".webp", "avif": ".avif"}
EVERY = {**LOSSLESS, **LOSSY, "gif": ".gif"}


def decoded(data: bytes) -> Picture:
    view = memoryview(data)
    header = read_header(view)
    return turn_upright(codec.decode(view, header, Limits()).frames[0], header.orientation)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(cv2.PSNR(one, other))


@pytest.mark.parametrize("kind", EVERY)
def test_the_header_tells_format_and_size(kind: str) -> None:
    header = read_header(memoryview(encoded(EVERY[kind], scene(40, 60))))
    assert (header.format, header.width, header.height, header.orientation) == (kind, 60, 40, 1)


@pytest.mark.parametrize("kind", EVERY)
def test_every_format_is_read(kind: str) -> None:
    pixels = scene(64, 96)
    made = decoded(encoded(EVERY[kind], pixels)).colour
    assert made.shape == pixels.shape
    assert psnr(made, pixels) > {"gif": 20, **dict.fromkeys(LOSSY, 30)}.get(kind, 300)


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_written_format_can_be_read_again(kind: str, channels: int) -> None:
    pixels = scene(64, 96) if channels == 3 else scene(64, 96)[:, :, 0].copy()
    written = encode(Picture(pixels), Recipe(kind))
    assert written.media_type == f"image/{kind}"
    made = decoded(bytes(written.data)).colour
    if made.ndim > pixels.ndim:
        made = made[:, :, 0]
    assert psnr(made, pixels) > 30


def test_jpeg_pixels_are_those_of_opencv(photo: np.ndarray) -> None:
    for pixels in (photo, noise(33, 47), scene(64, 96)[:, :, 0].copy()):
        data = encoded(".jpg", pixels)
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(decoded(data).colour, expected)


def with_exif(jpeg: bytes, orientation: int, order: str = "<") -> bytes:
    tiff = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(
        f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0
    )
    body = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little endian", "big endian"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_opencv_applies_it(orientation: int, order: str) -> None:
    data = with_exif(encoded(".jpg", scene(40, 64)), orientation, order)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded(data).colour, expected)


def test_a_turned_picture_is_not_turned_twice(store: BlobStore, ask: Callable[..., Request]) -> None:
    report = develop(ask(with_exif(encoded(".jpg", scene(40, 64)), 6)), store)
    assert report.result is not None
    assert (report.result.width, report.result.height) == (40, 64)
    assert read_header(store.get(report.result.key)).orientation == 1


def test_alpha_is_kept_where_the_format_keeps_it() -> None:
    pixels = np.dstack([scene(40, 60), noise(40, 60, 1)])
    made = decoded(encoded(".png", pixels))
    assert made.alpha is not None
    np.testing.assert_array_equal(made.alpha, pixels[:, :, 3])
    for kind in ("png", "webp", "avif"):
        again = decoded(bytes(encode(made, Recipe(kind, Output(quality=100))).data))
        assert again.alpha is not None
        assert psnr(again.alpha, made.alpha) > 40


def test_a_format_without_alpha_gets_the_picture_on_white() -> None:
    clear = Picture(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8))
    assert decoded(bytes(encode(clear, Recipe("jpeg")).data)).colour.min() > 250


def test_an_opaque_alpha_is_dropped() -> None:
    pixels = np.dstack([scene(40, 60), np.full((40, 60), 255, np.uint8)])
    assert decoded(encoded(".png", pixels)).alpha is None


def test_sixteen_bits_are_rounded_to_eight() -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.floor(deep / 257 + 0.5).astype(np.uint8)
    for extension in (".png", ".tiff"):
        np.testing.assert_array_equal(decoded(encoded(extension, deep)).colour, expected)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_file_cut_short_is_corrupt(kind: str, keep: float) -> None:
    data = encoded(EVERY[kind], noise(64, 96))
    with pytest.raises(CorruptImage):
        decoded(data[: int(len(data) * keep)])


@pytest.mark.parametrize("data", [b"", b"x", b"GIF", b"<svg/>" * 9, b"\x00\x00\x00\x18ftypheic" + b"\x00" * 40])
def test_what_is_no_image_of_ours_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        read_header(memoryview(data))


@pytest.mark.parametrize("kind", EVERY)
def test_more_pixels_than_the_header_said_are_refused(kind: str) -> None:
    data = memoryview(encoded(EVERY[kind], scene(40, 60)))
    lie = dataclasses.replace(read_header(data), width=2, height=2)
    assert codec.decode(data, lie, Limits(pixels=2400)).frames[0].width == 60
    with pytest.raises(TooManyPixels):
        codec.decode(data, lie, Limits(pixels=2399))


def test_a_file_that_says_two_sizes_is_held_to_what_it_holds(store: BlobStore, ask: Callable[..., Request]) -> None:
    data = with_two_sizes(encoded(".tiff", scene(40, 60)), 2, 2)
    header = read_header(memoryview(data))
    assert (header.width, header.height) == (2, 2)
    for allowed, code in ((2399, "too_many_pixels"), (2400, None)):
        report = develop(msgspec.structs.replace(ask(data), limits=Limits(pixels=allowed)), store)
        assert (report.error.code if report.error else None) == code
