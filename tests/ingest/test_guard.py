"""Reading headers: quickly, whatever the bytes are, and never past what an honest image needs."""

import time
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from services.ingest.guard import inspect, media_type_of
from shared.errors import CorruptImage, TooManyPixels, UnsupportedMedia
from tests.ingest.pictures import picture

REFUSALS = (UnsupportedMedia, CorruptImage, TooManyPixels)
STARTS = [
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"RIFF\x10\0\0\0WEBP",
    b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
]


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_have_a_size_or_are_refused(start: bytes, rest: bytes) -> None:
    try:
        header = inspect(start + rest, max_pixels=10**8)
    except REFUSALS:
        return
    assert 0 < header.width * header.height <= 10**8


@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF"]), data=st.data())
@settings(max_examples=100, deadline=None)
def test_an_image_with_one_byte_changed_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    image = bytearray(picture(kind))
    image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))

    with suppress(*REFUSALS):
        inspect(bytes(image), max_pixels=10**8)


@pytest.mark.parametrize("filler", [b"\x00", b"\xff", b"\xff\xd0"], ids=["zeros", "fill bytes", "restart markers"])
def test_a_hostile_header_takes_no_more_time_than_an_honest_one(filler: bytes) -> None:
    data = b"\xff\xd8\xff" + filler * 8_000_000
    started = time.process_time()

    with pytest.raises(CorruptImage):
        inspect(data, max_pixels=10**8)

    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_are_those_that_a_real_reader_finds(kind: str, orientation: int) -> None:
    out = BytesIO()
    exif = Image.Exif()
    if kind == "JPEG":
        exif[0x0112] = orientation
    Image.new("RGB", (301, 207)).save(out, kind, exif=exif, **({"progressive": True} if kind == "JPEG" else {}))

    header = inspect(out.getvalue(), max_pixels=10**8)

    with Image.open(out) as image:
        assert (header.width, header.height) == ImageOps.exif_transpose(image).size


def test_the_size_is_as_a_viewer_shows_it() -> None:
    out = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(out, "JPEG", exif=exif)

    header = inspect(out.getvalue(), max_pixels=10**8)

    assert (header.width, header.height) == (30, 40)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"<svg/>", b"%PDF-1.7", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", b"BM", b"P6\n"]
)
def test_other_formats_are_named_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match="JPEG, PNG, WebP, AVIF, TIFF or GIF"):
        media_type_of(data)
