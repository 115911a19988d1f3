"""Looking closely: before and after, zoom, and all of it by keyboard."""

import re
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Locator, expect

from tests.web.studio import Studio


@pytest.fixture
def developed(studio: Studio, small_photos: list[Path]) -> Studio:
    """One photo on the table, developed."""
    studio.open("?chain=negative")
    studio.choose(small_photos[3])
    studio.wait_developed(1)
    expect(studio.compares).to_be_visible()
    return studio


def _clip(studio: Studio) -> str:
    return str(studio.page.locator(".layer.after").evaluate("(layer) => layer.style.clipPath"))


def _zoom(studio: Studio) -> float:
    style = studio.page.locator(".layer.after img").evaluate("(image) => image.style.transform")
    found = re.search(r"scale\(([\d.]+)\)", style)
    assert found is not None
    return float(found[1])


def _slider(studio: Studio) -> Locator:
    return studio.page.get_by_role("slider", name=re.compile("^Before and after"))


def test_the_slider_moves_with_the_arrow_keys(developed: Studio) -> None:
    assert "50%" in _clip(developed)
    _slider(developed).press("ArrowLeft")
    assert "49%" in _clip(developed)
    _slider(developed).press("Home")
    expect(_slider(developed)).to_have_attribute("aria-valuetext", "0 percent original")


def test_the_slider_moves_by_dragging_its_handle(developed: Studio) -> None:
    box = developed.page.locator(".stage").bounding_box()
    assert box is not None
    mouse = developed.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    mouse.up()
    assert "25%" in _clip(developed)


def test_the_picture_zooms_by_buttons_keys_and_wheel(developed: Studio) -> None:
    developed.button("Zoom in").click()
    assert _zoom(developed) == 1.5
    developed.page.keyboard.press("0")
    assert _zoom(developed) == 1
    developed.page.keyboard.press("+")
    assert _zoom(developed) == 1.5
    developed.button("Whole picture").click()
    developed.page.locator(".stage").hover(position={"x": 80, "y": 80})
    developed.page.mouse.wheel(0, -400)
    expect(developed.page.locator(".stage[data-zoomed]")).to_be_visible()
    assert _zoom(developed) > 2


@pytest.mark.parametrize("size", [None, (100, 80)], ids=["larger than the stage", "smaller"])
def test_real_pixels_put_one_pixel_on_one(
    studio: Studio, photos: list[Path], tmp_path: Path, size: tuple[int, int] | None
) -> None:
    picture = photos[0]
    if size is not None:
        picture = tmp_path / "small.png"
        cv2.imwrite(str(picture), cv2.resize(cv2.imread(str(photos[0])), size))
    studio.open("?chain=negative")
    studio.choose(picture)
    studio.wait_developed(1)
    expect(studio.compares).to_be_visible()
    text = studio.page.locator(".zoom-text")
    expect(text).not_to_have_text("100 %")
    studio.button("Real pixels").click()
    expect(text).to_have_text("100 %")
    width, shown = studio.page.locator(".layer.after img").evaluate(
        "(image) => [image.naturalWidth, image.getBoundingClientRect().width"
        " * Math.min(1, image.naturalWidth / image.naturalHeight / (image.clientWidth / image.clientHeight))]"
    )
    assert shown == pytest.approx(width, abs=1)
    studio.button("Whole picture").click()
    expect(text).not_to_have_text("100 %")


def test_a_zoomed_picture_can_be_dragged_but_not_out_of_sight(developed: Studio) -> None:
    developed.button("Zoom in").click()
    box = developed.page.locator(".stage").bounding_box()
    assert box is not None
    mouse = developed.page.mouse
    mouse.move(box["x"] + 60, box["y"] + 60)
    mouse.down()
    mouse.move(box["x"] + 3000, box["y"] + 60, steps=3)
    mouse.up()
    style = developed.page.locator(".layer.after img").evaluate("(image) => image.style.transform")
    found = re.search(r"translate\(([-\d.]+)px", style)
    assert found is not None
    assert float(found[1]) == pytest.approx(box["width"] / 4, abs=1)


def test_the_whole_job_can_be_done_without_a_mouse(studio: Studio, small_photos: list[Path]) -> None:
    page = studio.page
    with page.expect_file_chooser() as chooser:
        studio.button("Choose photos").press("Enter")
    chooser.value.set_files(small_photos[:3])
    sheet = page.get_by_role("listbox", name="Photos")
    sheet.press("ArrowRight")
    expect(page.get_by_role("heading", name="photo-001.jpg")).to_be_visible()
    studio.button("Add a filter").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(studio.cards).to_have_count(1)
    # The focus is on the first control of the new step.
    expect(page.locator("#steps :focus")).to_have_count(1)
    expect(studio.button("Develop 2 photos")).to_be_visible()
    studio.button("Develop 2 photos").press("Enter")
    studio.wait_developed(3)
    expect(page.locator("#live")).to_have_text("3 photos developed.")


def test_enter_opens_a_photo_of_the_contact_sheet(studio: Studio, small_photos: list[Path]) -> None:
    studio.choose(*small_photos[:3])
    studio.button("Contact sheet").click()
    expect(studio.page.locator("#viewer")).to_be_hidden()
    studio.page.get_by_role("listbox", name="Photos").press("Enter")
    expect(studio.page.locator("#viewer")).to_be_visible()
