"""Every page by the keyboard alone: what can be used can be reached, in its order, seen, and left again."""

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.stack import Stack
from tests.web.studio import Studio

#: More stops than any page has.
_MOST = 120
#: What a person can use now, in the order of the page; each gets a number.
_USABLE = """() => {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, [tabindex]");
  const usable = [...all].filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({
    visibilityProperty: true }));
  usable.forEach((one, index) => (one.dataset.stop = index));
  return usable.map((one) => one.outerHTML.slice(0, 90));
}"""
#: Where the focus is, and whether that can be seen: an outline, on it or on what it belongs to.
_FOCUS = """() => {
  const one = document.activeElement;
  if (one === document.body || !one.dataset.stop) return null;
  const seen = [one, one.nextElementSibling, one.parentElement].some(
    (part) => part && getComputedStyle(part).outlineStyle !== "none");
  return { stop: Number(one.dataset.stop), seen };
}"""

#: What the focus is called: the first line of its words, or its label.
_NAME = """() => {
  const one = document.activeElement;
  return one.ariaLabel ?? one.querySelector("strong")?.textContent ?? one.textContent.trim();
}"""


def _walk(page: Page) -> None:
    """Go through the page with Tab from its top until it is left."""
    expected: list[str] = page.evaluate(_USABLE)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0); getSelection().removeAllRanges()")
    stops: list[int] = []
    for _ in range(_MOST):
        page.keyboard.press("Tab")
        focus: dict[str, Any] | None = page.evaluate(_FOCUS)
        if focus is None or (stops and focus["stop"] == stops[0]):
            break
        assert focus["seen"], f"the focus cannot be seen on {expected[focus['stop']]}"
        stops.append(focus["stop"])
    assert stops == list(range(len(expected))), [expected[missed] for missed in set(range(len(expected))) - set(stops)]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_studio(studio: Studio, small_photos: list[Path], width: int) -> None:
    studio.page.set_viewport_size({"width": width, "height": 800})
    _walk(studio.page)
    studio.open("?chain=sepia,blur:size=15")
    studio.choose(*small_photos[:3])
    studio.develop()
    studio.wait_developed(3)
    expect(studio.compares).to_be_visible()
    _walk(studio.page)


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on what has a name that begins like this."""
    for _ in range(_MOST):
        page.keyboard.press("Tab")
        if re.match(name, page.evaluate(_NAME)):
            return
    raise AssertionError(f"Tab never comes to {name!r}")


def test_a_whole_visit_with_tab_and_enter_alone(page: Page, stack: Stack, small_photos: list[Path]) -> None:
    studio = Studio(page, stack.url).open()
    with page.expect_file_chooser() as chooser:
        _tab_to(page, "Choose photos")
        page.keyboard.press("Enter")
    chooser.value.set_files(small_photos[:2])
    expect(studio.tiles).to_have_count(2)
    _tab_to(page, "Add a filter")
    page.keyboard.press("Enter")
    _tab_to(page, "Blur")
    page.keyboard.press("Enter")
    expect(studio.cards).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name=re.compile("^Develop [12] photos?$"))).to_be_enabled()
    _tab_to(page, r"Develop \d photo")
    page.keyboard.press("Enter")
    studio.wait_developed(2)
    _tab_to(page, "Download 2 as zip")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["photo-000-blur.jpg", "photo-001-blur.jpg"]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_queue_and_a_job(page: Page, stack: Stack, small_photos: list[Path], unreadable: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    studio = Studio(page, stack.url).open("?chain=sepia,flip")
    studio.choose(small_photos[0])
    studio.wait_developed(1)
    page.clock.install()
    page.goto(f"{stack.url}/queue")
    expect(page.locator("#letters tr", has_text=unreadable)).to_be_visible()
    page.wait_for_selector("body[data-ready]")
    _walk(page)
    page.get_by_role("link", name="photo-000.jpg").first.press("Enter")
    page.wait_for_selector("body[data-ready] #stage[data-compares]")
    _walk(page)


def test_the_documents(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/docs")
    expected: list[str] = page.evaluate(_USABLE)
    assert len(expected) > 30
    page.keyboard.press("Tab")
    assert page.evaluate(_FOCUS) == {"stop": 0, "seen": True}


def test_the_skip_link_leads_past_the_header(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/queue")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the queue")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
