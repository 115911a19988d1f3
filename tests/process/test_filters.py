"""Every filter is exactly the OpenCV call, or the formula, that its documentation names."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from services.process.chain import run_chain
from services.process.filters import every_filter, read_chain
from services.process.limits import Limits
from services.process.picture import Picture
from tests.process.pictures import SHAPES, noise, scene

SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)


def run(pixels: np.ndarray, *chain: dict[str, Any], alpha: np.ndarray | None = None) -> Picture:
    return run_chain(Picture(pixels.copy(), alpha), read_chain(list(chain)), Limits())


def grey(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)


REFERENCES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "grayscale": grey,
    "blur": lambda pixels: cv2.GaussianBlur(pixels, (9, 9), 0),
    "edge": lambda pixels: cv2.Canny(grey(pixels), 75, 150),
    "sharpen": lambda pixels: cv2.filter2D(pixels, -1, SHARPEN),
    "emboss": lambda pixels: cv2.filter2D(pixels, -1, EMBOSS),
    "negative": lambda pixels: 255 - pixels,
    "brighten": lambda pixels: cv2.add(pixels, np.full_like(pixels, 40)),
}


def pictures(height: int, width: int, channels: int) -> list[np.ndarray]:
    flat = np.full_like(noise(height, width, channels), 255)
    steps = np.ascontiguousarray(scene(height, width)[:, :, 0] if channels == 1 else scene(height, width))
    return [noise(height, width, channels), noise(height, width, channels, seed=8) // 128 * 255, flat, flat * 0, steps]


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
@pytest.mark.parametrize("name", REFERENCES)
def test_defaults_are_bit_identical_to_opencv(name: str, shape: tuple[int, int], channels: int) -> None:
    for pixels in pictures(*shape, channels):
        made = run(pixels, {"name": name}).colour
        np.testing.assert_array_equal(made, REFERENCES[name](pixels))


@pytest.mark.parametrize("name", REFERENCES)
def test_a_photo_is_bit_identical_to_opencv(name: str, photo: np.ndarray) -> None:
    np.testing.assert_array_equal(run(photo, {"name": name}).colour, REFERENCES[name](photo))


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        ({"name": "blur", "size": 1}, lambda p: p),
        ({"name": "blur", "size": 3}, lambda p: cv2.GaussianBlur(p, (3, 3), 0)),
        ({"name": "blur", "size": 15}, lambda p: cv2.GaussianBlur(p, (15, 15), 0)),
        ({"name": "blur", "size": 9, "sigma": 0.8}, lambda p: cv2.GaussianBlur(p, (9, 9), 0.8)),
        ({"name": "blur", "size": 9, "sigma": 1.5}, lambda p: cv2.GaussianBlur(p, (9, 9), 1.5)),
        ({"name": "blur", "size": 9, "sigma": 5.0}, lambda p: cv2.GaussianBlur(p, (9, 9), 5)),
        ({"name": "blur", "size": 9, "sigma": 50.0}, lambda p: cv2.GaussianBlur(p, (9, 9), 50)),
        ({"name": "edge", "low": 0, "high": 0}, lambda p: cv2.Canny(grey(p), 0, 0)),
        ({"name": "edge", "low": 20, "high": 500}, lambda p: cv2.Canny(grey(p), 20, 500)),
        ({"name": "sharpen", "amount": 3}, lambda p: cv2.filter2D(p, -1, 3 * SHARPEN - 2 * np.diag([0, 1, 0.0]))),
        ({"name": "sharpen", "amount": 10}, lambda p: cv2.filter2D(p, -1, 10 * SHARPEN - 9 * np.diag([0, 1, 0.0]))),
        (
            {"name": "emboss", "amount": 10},
            lambda p: cv2.filter2D(p, -1, np.array([[-20, -10, 0], [-10, 1, 10], [0, 10, 20]], np.float32)),
        ),
        (
            {"name": "emboss", "amount": 2},
            lambda p: cv2.filter2D(p, -1, np.array([[-4, -2, 0], [-2, 1, 2], [0, 2, 4]], np.float32)),
        ),
        ({"name": "brighten", "amount": -70}, lambda p: cv2.subtract(p, np.full_like(p, 70))),
        ({"name": "brighten", "amount": 0}, lambda p: p),
    ],
    ids=lambda value: "-".join(str(part) for part in value.values()) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 1), (64, 65)])
def test_parameters_are_bit_identical_to_opencv(
    spec: dict[str, Any], reference: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int]
) -> None:
    for channels in (1, 3):
        pixels = noise(*shape, channels)
        np.testing.assert_array_equal(run(pixels, spec).colour, reference(pixels))


def test_outlines_that_branch_through_the_whole_picture_are_followed_to_their_ends() -> None:
    # Blocks of 3×3 make outlines that join: some 16,000 pixels wait to be looked at, where plain noise has 70.
    pixels = np.kron(noise(200, 200, 1), np.ones((3, 3), np.uint8))
    made = run(pixels, {"name": "edge", "low": 1, "high": 1000}).colour
    np.testing.assert_array_equal(made, cv2.Canny(grey(pixels), 1, 1000))


def every_colour(blue: int) -> np.ndarray:
    """All 65,536 colours with one blue, 256×256×3."""
    green, red = np.mgrid[0:256, 0:256]
    return np.stack([np.full_like(green, blue), green, red], -1).astype(np.uint8)


def exact_sepia(pixels: np.ndarray, percent: int = 100) -> np.ndarray:
    """The matrix in whole thousandths, mixed in whole percent, rounded half up, saturated."""
    full = np.array([[131, 534, 272], [168, 686, 349], [189, 769, 393]])
    weights = full * percent + np.eye(3, dtype=int) * 1000 * (100 - percent)
    return np.minimum((pixels.astype(np.int64) @ weights.T + 50_000) // 100_000, 255).astype(np.uint8)


def test_sepia_is_exact_on_all_colours() -> None:
    for blue in range(256):
        pixels = every_colour(blue)
        np.testing.assert_array_equal(run(pixels, {"name": "sepia"}).colour, exact_sepia(pixels))


@pytest.mark.parametrize("percent", [0, 1, 37, 50, 99])
def test_sepia_of_any_strength_is_exact(percent: int) -> None:
    for blue in (0, 1, 127, 254, 255):
        pixels = every_colour(blue)
        made = run(pixels, {"name": "sepia", "percent": percent}).colour
        np.testing.assert_array_equal(made, exact_sepia(pixels, percent))


@pytest.mark.parametrize("shape", SHAPES)
def test_sepia_is_exact_on_every_shape(shape: tuple[int, int]) -> None:
    pixels = noise(*shape)
    np.testing.assert_array_equal(run(pixels, {"name": "sepia"}).colour, exact_sepia(pixels))


@pytest.mark.parametrize("percent", [0, 50, 100, 130, 1000])
def test_contrast_is_exact(percent: int) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    exact = np.floor((levels.astype(float) - 128) * percent / 100 + 128 + 0.5).clip(0, 255)
    np.testing.assert_array_equal(run(levels, {"name": "contrast", "percent": percent}).colour, exact)


@pytest.mark.parametrize("percent", [0, 60, 100, 140, 1000])
def test_saturation_is_exact(percent: int) -> None:
    for blue in (0, 77, 255):
        pixels = every_colour(blue)
        base = grey(pixels)[:, :, None].astype(np.int64)
        exact = ((base * 100 + (pixels - base) * percent + 50) // 100).clip(0, 255)
        np.testing.assert_array_equal(run(pixels, {"name": "saturation", "percent": percent}).colour, exact)


@pytest.mark.parametrize(("direction", "axis"), [("horizontal", 1), ("vertical", 0), ("both", (0, 1))])
def test_flip_mirrors(direction: str, axis: int | tuple[int, int]) -> None:
    pixels = noise(5, 7)
    np.testing.assert_array_equal(run(pixels, {"name": "flip", "direction": direction}).colour, np.flip(pixels, axis))


@pytest.mark.parametrize("angle", [-360, -270, -180, -90, 0, 90, 180, 270, 360])
def test_quarter_turns_lose_nothing(angle: int) -> None:
    pixels = noise(5, 7)
    np.testing.assert_array_equal(
        run(pixels, {"name": "rotate", "angle": angle}).colour, np.rot90(pixels, -angle // 90)
    )


def test_other_turns_grow_the_picture_and_leave_its_middle_in_the_middle() -> None:
    pixels = np.full((41, 61, 3), 200, np.uint8)
    pixels[20, 30] = 10
    made = run(pixels, {"name": "rotate", "angle": 30}).colour
    assert made.shape[:2] == (67, 74)
    assert made[33, 36].min() < 150
    assert not made[0, 0].any()


def test_crop_takes_a_rectangle_and_stops_at_the_edges() -> None:
    pixels = noise(10, 12)
    made = run(pixels, {"name": "crop", "x": 3, "y": 2, "width": 4, "height": 99}).colour
    np.testing.assert_array_equal(made, pixels[2:, 3:7])
    assert made.flags.c_contiguous


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        ({}, (1024, 512)),
        ({"width": 50}, (50, 25)),
        ({"height": 50}, (100, 50)),
        ({"width": 50, "height": 50}, (50, 25)),
        ({"width": 50, "height": 50, "fit": "stretch"}, (50, 50)),
        ({"width": 1}, (1, 1)),
        ({"width": 4000, "enlarge": False}, (200, 100)),
    ],
)
def test_resize_gives_the_size_asked_for(spec: dict[str, Any], size: tuple[int, int]) -> None:
    made = run(noise(100, 200), {"name": "resize", **spec})
    assert (made.width, made.height) == size


def test_resize_shrinks_by_area_and_grows_by_cubic() -> None:
    pixels = noise(64, 96)
    small = cv2.resize(pixels, (48, 32), interpolation=cv2.INTER_AREA)
    large = cv2.resize(pixels, (192, 128), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(run(pixels, {"name": "resize", "width": 48}).colour, small)
    np.testing.assert_array_equal(run(pixels, {"name": "resize", "width": 192}).colour, large)


@pytest.mark.parametrize("name", sorted(every_filter()))
def test_alpha_is_moved_by_geometry_and_else_left_alone(name: str) -> None:
    known, parameters = read_chain([{"name": name}])[0]
    alpha = noise(20, 30, 1)
    made = run(noise(20, 30), {"name": name}, alpha=alpha)
    assert made.alpha is not None
    assert made.alpha.shape == made.colour.shape[:2]
    np.testing.assert_array_equal(made.alpha, alpha if known.resized is None else known.apply(alpha, parameters))


#: Filters that write over the picture they are given, which saves the memory and the time of another.
IN_PLACE = {"emboss", "saturation", "sepia", "sharpen"}


@pytest.mark.parametrize("name", sorted(set(every_filter()) - IN_PLACE))
def test_a_filter_never_changes_what_it_is_given(name: str) -> None:
    pixels = noise(20, 30)
    before = pixels.copy()
    known, parameters = read_chain([{"name": name}])[0]
    if known.kind.value != "tone":
        known.apply(pixels, parameters)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("name", sorted(IN_PLACE))
def test_a_filter_in_place_returns_what_it_was_given(name: str) -> None:
    pixels = noise(20, 30)
    known, parameters = read_chain([{"name": name}])[0]
    assert known.apply(pixels, parameters) is pixels
