"""What can be asked of a result, and what becomes of what a file holds beside 8-bit BGR."""

import io
import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
import tifffile
from PIL import Image, ImageCms

from services.process import containers
from services.process.header import read_header
from services.process.limits import Limits
from services.process.pipeline import develop
from services.process.request import Report, Request
from shared.avif import read_avif
from shared.blobs import BlobStore
from shared.events import Output
from tests.process.pictures import encoded, noise, scene

Ask = Callable[..., Request]

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
#: An EXIF block with orientation 6 and the maker "me".
EXIF = b"II*\x00" + struct.pack("<IHHHI4sHHIHHI", 8, 2, 0x010F, 2, 3, b"me\0\0", 0x0112, 3, 1, 6, 0, 0)


def tagged(extension: str, pixels: np.ndarray) -> bytes:
    """A file with EXIF, orientation 6, and an ICC profile."""
    blocks = [np.frombuffer(block, np.uint8) for block in (EXIF, PROFILE)]
    done, data = cv2.imencodeWithMetadata(extension, pixels, [cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_ICCP], blocks)
    assert done
    return data.tobytes()


def by_pillow(image: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def pillow(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))


def made(report: Report, store: BlobStore) -> memoryview:
    assert report.error is None
    assert report.result is not None
    return store.get(report.result.key)


def pixels_of(data: memoryview) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)


def failure(report: Report) -> str:
    assert report.error is not None
    return report.error.code


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("choice", ["none", "icc", "all"])
def test_metadata_is_kept_by_choice_and_never_turns_twice(kind: str, choice: str, store: BlobStore, ask: Ask) -> None:
    extension = {"jpeg": ".jpg"}.get(kind, f".{kind}")
    data = made(develop(ask(tagged(extension, scene(40, 64)), metadata=choice), store), store)
    header = read_header(data)
    assert (header.format, header.width, header.height, header.orientation) == (kind, 40, 64, 1)
    kept = containers.metadata(kind, data)
    assert kept.icc == (None if choice == "none" else PROFILE)
    assert (kept.exif is not None) == (choice == "all")
    assert kept.exif is None or (b"me\0" in kept.exif and containers.orientation_in(kept.exif) == 1)


def test_a_profile_does_not_go_with_a_picture_of_another_colour_space(store: BlobStore, ask: Ask) -> None:
    data = made(develop(ask(tagged(".jpg", scene(40, 64)), {"name": "grayscale"}), store), store)
    assert containers.metadata("jpeg", data).icc is None


@pytest.mark.parametrize(("kind", "mode"), [("webp", "L"), ("png", "LA"), ("png", "L")])
def test_a_grey_profile_goes_with_what_is_written_in_grey(kind: str, mode: str, store: BlobStore, ask: Ask) -> None:
    # What the profile says of itself decides.
    profile = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    image = pillow(scene(40, 64)).convert("L")
    if mode == "LA":
        image = Image.merge("LA", [image, Image.fromarray(noise(40, 64, 1))])
    data = made(develop(ask(by_pillow(image, "PNG", icc_profile=profile), format=kind), store), store)
    assert containers.metadata(kind, data).icc == (profile if (kind, mode) == ("png", "L") else None)


@pytest.mark.parametrize(("given", "expected"), [(None, "420"), ("420", "420"), ("422", "422"), ("444", "444")])
def test_subsampling_of_a_jpeg_is_as_asked(given: str | None, expected: str, store: BlobStore, ask: Ask) -> None:
    data = made(develop(ask(encoded(".jpg", scene(40, 64)), subsampling=given), store), store)
    assert simplejpeg.decode_jpeg_header(bytes(data))[3] == expected


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_lossless_changes_no_sample(kind: str, store: BlobStore, ask: Ask) -> None:
    data = made(develop(ask(encoded(".png", noise(40, 64)), format=kind, lossless=True), store), store)
    np.testing.assert_array_equal(pixels_of(data), noise(40, 64))


def test_lossless_without_a_format_takes_one_that_can(store: BlobStore, ask: Ask) -> None:
    report = develop(ask(encoded(".jpg", scene(40, 64)), lossless=True), store)
    assert report.result is not None
    assert report.result.media_type == "image/png"


@pytest.mark.parametrize(
    "output",
    [
        {"format": "jpeg", "lossless": True},
        {"format": "avif", "lossless": True},
        {"format": "jpeg", "frames": "all"},
        {"frames": "some"},
        {"metadata": "gps"},
        {"subsampling": "411"},
        {"quality": 0},
    ],
)
def test_an_output_that_cannot_be_had_is_refused(output: dict[str, Any], store: BlobStore, ask: Ask) -> None:
    assert failure(develop(ask(encoded(".png", scene(40, 64)), **output), store)) == "invalid_parameter"


# Animations


def animated(extension: str, count: int = 4, size: tuple[int, int] = (48, 64)) -> bytes:
    animation = cv2.Animation()
    animation.frames = [np.full((*size, 3), (60 * n % 256, 10, 200), np.uint8) for n in range(count)]
    animation.durations = np.array([50 + 10 * n for n in range(count)])
    animation.loop_count = 3
    done, data = cv2.imencodeanimation(extension, animation)
    assert done
    return data.tobytes()


@pytest.mark.parametrize("extension", [".gif", ".webp", ".png", ".avif"])
def test_the_first_frame_is_the_picture_unless_all_are_asked_for(extension: str, store: BlobStore, ask: Ask) -> None:
    data = made(develop(ask(animated(extension), {"name": "negative"}, format="png"), store), store)
    np.testing.assert_allclose(pixels_of(data)[20, 20][:3].astype(int), (255, 245, 55), atol=20)


@pytest.mark.parametrize("extension", [".gif", ".webp", ".png", ".avif"])
def test_all_frames_go_through_the_chain_with_their_times(extension: str, store: BlobStore, ask: Ask) -> None:
    report = develop(ask(animated(extension), {"name": "negative"}, frames="all"), store)
    data = made(report, store)
    assert report.result is not None
    assert report.result.media_type == {".gif": "image/webp"}.get(extension, f"image/{extension[1:]}")
    done, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    assert done
    assert [int(duration) for duration in animation.durations] == [50, 60, 70, 80]
    for number, frame in enumerate(animation.frames):
        expected = (255 - 60 * number, 245, 55)
        np.testing.assert_allclose(frame[20, 20, :3].astype(int), expected, atol=20)


def test_frames_above_the_limit_have_a_code_of_their_own(store: BlobStore) -> None:
    store.put("inbox/picture", animated(".gif", 6))
    for limits, code in ((Limits(frames=5), "too_many_frames"), (Limits(pixels=48 * 64 * 5), "too_many_pixels")):
        first, every = (
            Request(job_id="0-a", source="inbox/picture", owner="local", limits=limits, output=Output(frames=frames))
            for frames in ("first", "all")
        )
        assert develop(first, store).error is None
        assert failure(develop(every, store)) == code


# Scaled decode


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_that_is_shrunk_first_is_decoded_smaller_to_the_same_size(
    orientation: int, store: BlobStore, ask: Ask, photo: np.ndarray
) -> None:
    data = tagged(".jpg", photo) if orientation == 6 else encoded(".jpg", photo)
    report = develop(ask(data, {"name": "resize", "width": 107}, format="png", metadata="none"), store)
    small = pixels_of(made(report, store))
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    height = int(stored.shape[0] * 107 / stored.shape[1] + 0.5)
    reference = cv2.resize(stored, (107, height), interpolation=cv2.INTER_AREA)
    assert small.shape == reference.shape
    assert cv2.PSNR(small, reference) > 28


# What files hold beside 8-bit BGR


def test_cmyk_becomes_colour(store: BlobStore, ask: Ask) -> None:
    for kind in ("JPEG", "TIFF"):
        options = {"quality": 95} if kind == "JPEG" else {}
        data = by_pillow(pillow(scene(40, 64)).convert("CMYK"), kind, **options)
        made_of = pixels_of(made(develop(ask(data, format="png"), store), store))
        assert cv2.PSNR(made_of, scene(40, 64)) > 30


def test_palettes_become_colour_and_their_clear_entry_alpha(store: BlobStore, ask: Ask) -> None:
    image = pillow(scene(40, 64)).convert("P", palette=Image.Palette.ADAPTIVE)
    expected = np.array(image.convert("RGB"))[:, :, ::-1]
    for kind in ("PNG", "TIFF", "GIF"):
        made_of = pixels_of(made(develop(ask(by_pillow(image, kind), format="png"), store), store))
        np.testing.assert_array_equal(made_of, expected)
    clear = np.array(image) == 3
    made_of = pixels_of(made(develop(ask(by_pillow(image, "PNG", transparency=3), format="png"), store), store))
    np.testing.assert_array_equal(made_of[:, :, 3] == 0, clear)


def test_a_deep_tiff_whose_zero_is_white_is_black_and_white_as_it_should(store: BlobStore, ask: Ask) -> None:
    data = io.BytesIO()
    tifffile.imwrite(data, noise(40, 64, 1).astype(np.uint16) * 257, photometric="miniswhite")
    made_of = pixels_of(made(develop(ask(data.getvalue(), format="png"), store), store))
    np.testing.assert_array_equal(made_of, 255 - noise(40, 64, 1))


def test_a_deep_tiff_in_separate_planes_is_refused(store: BlobStore, ask: Ask) -> None:
    data = io.BytesIO()
    planes = np.ascontiguousarray(noise(40, 64).transpose(2, 0, 1)).astype(np.uint16)
    tifffile.imwrite(data, planes, photometric="rgb", planarconfig="separate")
    assert failure(develop(ask(data.getvalue()), store)) == "unsupported_media"


def test_a_profile_of_a_tiff_is_kept(store: BlobStore, ask: Ask) -> None:
    data = by_pillow(pillow(scene(40, 64)), "TIFF", icc_profile=PROFILE)
    assert containers.metadata("png", made(develop(ask(data), store), store)).icc == PROFILE


def test_grey_with_alpha_keeps_both(store: BlobStore, ask: Ask) -> None:
    grey, alpha = noise(40, 64, 1), noise(40, 64, 1, seed=9)
    image = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    made_of = pixels_of(made(develop(ask(by_pillow(image, "PNG")), store), store))
    np.testing.assert_array_equal(made_of[:, :, 0], grey)
    np.testing.assert_array_equal(made_of[:, :, 3], alpha)


def test_a_tiff_with_alpha_keeps_its_colours(store: BlobStore, ask: Ask) -> None:
    alpha = np.clip(noise(40, 64, 1), 128, 255)
    image = pillow(scene(40, 64)).convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    made_of = pixels_of(made(develop(ask(by_pillow(image, "TIFF")), store), store))
    np.testing.assert_array_equal(made_of[:, :, 3], alpha)
    np.testing.assert_allclose(made_of[:, :, :3].astype(int), scene(40, 64), atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_turns_of_an_avif_are_read(orientation: int) -> None:
    exif = EXIF.replace(struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0), struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0))
    block = np.frombuffer(exif, np.uint8)
    done, data = cv2.imencodeWithMetadata(".avif", scene(40, 64), [cv2.IMAGE_METADATA_EXIF], [block])
    assert done
    found = read_avif(data.tobytes())
    assert (found.width, found.height, found.orientation) == (64, 40, orientation)
