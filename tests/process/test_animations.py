"""Animations: whole or not at all, without loss where that was asked for, within their limits at every step."""

import dataclasses
import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from services.process import codec
from services.process.header import read_header
from services.process.limits import Limits
from services.process.pipeline import develop
from services.process.request import Report, Request
from shared.blobs import BlobStore
from shared.errors import TooManyPixels
from shared.events import Output
from tests.process.pictures import noise, scene

Ask = Callable[..., Request]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ANIMATED = [".gif", ".webp", ".png", ".avif"]


def animated(extension: str, frames: list[np.ndarray]) -> bytes:
    animation = cv2.Animation()
    animation.frames = frames
    animation.durations = np.full(len(frames), 50)
    done, data = cv2.imencodeanimation(extension, animation)
    assert done
    return data.tobytes()


def frames_of(data: bytes | memoryview) -> list[np.ndarray]:
    done, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    assert done
    return list(animation.frames)


def code(report: Report) -> str:
    return report.error.code if report.error else "done"


@pytest.mark.parametrize("kind", ["webp", "png", None])
@pytest.mark.parametrize("clear", [False, True], ids=["opaque", "with alpha"])
def test_lossless_changes_no_sample_of_any_frame(kind: str | None, clear: bool, store: BlobStore, ask: Ask) -> None:
    frames = [noise(40, 64, seed=seed) for seed in range(4)]
    if clear:
        frames = [np.dstack([frame, noise(40, 64, 1, seed=9) // 86 * 85]) for frame in frames]
    report = develop(ask(animated(".png", frames), format=kind, lossless=True, frames="all"), store)
    assert report.result is not None, report.error
    made = frames_of(store.get(report.result.key))
    assert len(made) == len(frames)
    for one, other in zip(made, frames, strict=True):
        seen = other[:, :, 3] > 0 if clear else np.full(other.shape[:2], True)
        np.testing.assert_array_equal(one[seen][:, : other.shape[2]], other[seen])


@pytest.mark.parametrize("kind", ["webp", "png"])
def test_lossless_keeps_the_colour_of_what_is_clear(kind: str, store: BlobStore, ask: Ask) -> None:
    pixels = np.dstack([noise(40, 64), noise(40, 64, 1, seed=9) // 128 * 255])
    data = cv2.imencode(".png", pixels)[1].tobytes()
    report = develop(ask(data, format=kind, lossless=True), store)
    assert report.result is not None, report.error
    made = cv2.imdecode(np.frombuffer(store.get(report.result.key), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(made, pixels)


@pytest.mark.parametrize("extension", [".gif", ".png", ".avif"])
def test_an_animation_with_a_damaged_frame_is_corrupt(extension: str, store: BlobStore, ask: Ask) -> None:
    data = bytearray(animated(extension, [noise(24, 32, seed=seed) for seed in range(5)]))
    assert code(develop(ask(bytes(data), frames="all"), store)) == "done"
    middle = len(data) * 55 // 100
    for at in range(middle, middle + 40):
        data[at] ^= 0x5A
    assert code(develop(ask(bytes(data), {"name": "negative"}), store)) == "done", "the first is good"
    assert code(develop(ask(bytes(data), frames="all"), store)) == "corrupt_image"


@pytest.mark.parametrize("extension", ANIMATED)
def test_an_animation_that_was_cut_short_is_corrupt(extension: str, store: BlobStore, ask: Ask) -> None:
    data = animated(extension, [noise(48, 64, seed=seed) for seed in range(5)])
    assert code(develop(ask(data[: len(data) * 9 // 10], frames="all"), store)) == "corrupt_image"


@pytest.mark.parametrize("kind", ["png", "webp"])
@pytest.mark.parametrize("choice", ["none", "icc", "all"])
def test_an_animation_keeps_its_metadata_by_choice(kind: str, choice: str, store: BlobStore, ask: Ask) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "me", 6
    frames = [Image.fromarray(noise(40, 64, seed=seed)) for seed in range(3)]
    data = io.BytesIO()
    options = {"lossless": True} if kind == "webp" else {}
    frames[0].save(
        data, kind, save_all=True, append_images=frames[1:], exif=exif, icc_profile=PROFILE, duration=50, **options
    )
    report = develop(ask(data.getvalue(), metadata=choice, frames="all", lossless=True), store)
    assert report.result is not None, report.error
    made = store.get(report.result.key)
    shown = Image.open(io.BytesIO(made))
    assert (shown.format, shown.size, shown.n_frames) == (kind.upper(), (40, 64), 3)
    assert shown.info.get("icc_profile") == (None if choice == "none" else PROFILE)
    assert dict(shown.getexif()) == ({0x010F: "me", 0x0112: 1} if choice == "all" else {})
    for one, frame in zip(frames_of(made), frames, strict=True):
        np.testing.assert_array_equal(one[:, :, :3], np.rot90(np.array(frame)[:, :, ::-1], -1))


@pytest.mark.parametrize("extension", [".jpg", ".tiff", *ANIMATED])
def test_a_still_picture_is_an_animation_of_one(extension: str, store: BlobStore, ask: Ask) -> None:
    data = cv2.imencode(extension, scene(40, 64))[1].tobytes()
    assert code(develop(ask(data, frames="all"), store)) == "done"


@pytest.mark.parametrize("extension", ANIMATED)
def test_the_pixels_that_were_decoded_count_whatever_the_header_said(extension: str) -> None:
    data = memoryview(animated(extension, [noise(48, 64, seed=seed) for seed in range(4)]))
    lie = dataclasses.replace(read_header(data), width=2, height=2)
    assert len(codec.decode_all(data, lie, Limits(pixels=4 * 48 * 64)).frames) == 4
    with pytest.raises(TooManyPixels):
        codec.decode_all(data, lie, Limits(pixels=4 * 48 * 64 - 1))


def test_the_frames_of_an_animation_share_their_pixels_at_every_step(store: BlobStore) -> None:
    store.put("inbox/picture", animated(".gif", [noise(48, 64, seed=seed) for seed in range(4)]))
    for allowed, expected in ((4 * 96 * 128 - 1, "too_many_pixels"), (4 * 96 * 128, "done")):
        request = Request(
            job_id="0-a",
            source="inbox/picture",
            owner="local",
            filters=[{"name": "resize", "width": 128}],
            limits=Limits(pixels=allowed),
            output=Output(frames="all"),
        )
        assert code(develop(request, store)) == expected
