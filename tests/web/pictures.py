"""The pictures of the pages in the documents: `python -m tests.web.pictures URL FOLDER` on a running Darkroom.

It drives the system's Chromium with real photos; the photos of Debian's mate-backgrounds, if they are there.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from tests.conftest import CHROMIUM_OPTIONS
from tests.support import photos as photo_sources
from tests.web.studio import Studio

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
_WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
#: What the queue's charts have drawn before their picture is taken.
_ENOUGH_POINTS: Final = re.compile(r"^(\S+ ){10}")
#: The photo that is shown large.
_SHOWN: Final = 4
_NARROW: Final[ViewportSize] = {"width": 390, "height": 844}


def take(page: Page, url: str, photos: list[Path], folder: Path) -> None:
    """Take every picture into a folder."""
    queue = page.context.new_page()
    queue.goto(f"{url}/queue")
    studio = Studio(page, url).open()
    page.set_viewport_size(_WIDE)
    studio.choose(*photos)
    studio.button("Vintage").click()
    expect(studio.compares).to_be_visible()
    studio.develop()
    studio.wait_developed(len(photos))
    # One that shows what the chain does.
    sheet = page.get_by_role("listbox", name="Photos")
    for _ in range(_SHOWN):
        sheet.press("ArrowRight")
    shown = photos[_SHOWN].name
    sheet.blur()
    _settle(page, shown)
    page.screenshot(path=folder / "studio.png")
    studio.button("Contact sheet").click()
    _settle(page, shown)
    page.screenshot(path=folder / "contact-sheet.png")
    studio.button("Contact sheet").click()
    page.set_viewport_size(_NARROW)
    page.emulate_media(color_scheme="light")
    _settle(page, shown)
    page.screenshot(path=folder / "studio-narrow.png")
    page.set_viewport_size(_WIDE)
    page.get_by_role("link", name="Details of this job").click()
    page.wait_for_url("**/jobs/*")
    _compares(page, shown)
    page.screenshot(path=folder / "job.png", full_page=True)
    # It has watched all the while, so that its charts have something to tell.
    expect(queue.locator(".sparkline-line").first).to_have_attribute("points", _ENOUGH_POINTS, timeout=60_000)
    queue.screenshot(path=folder / "queue.png")


def _settle(page: Page, name: str) -> None:
    """Every picture that can be seen is there."""
    expect(page.locator(".tile:not(.has-picture)")).to_have_count(0)
    _compares(page, name)


def _compares(page: Page, name: str) -> None:
    """The photo of this name is there, before and after."""
    expect(page.locator(f".stage[data-compares] img[alt='{name}, developed']")).to_have_count(1)


def main(url: str, folder: Path = FOLDER) -> None:
    """Take the pictures of the Darkroom at `url`. Raises RuntimeError without a Chromium."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        message = "There is no chromium on this machine."
        raise RuntimeError(message)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(CHROMIUM_OPTIONS))
        context = browser.new_context(viewport=_WIDE, color_scheme="dark", reduced_motion="reduce")
        context.set_default_timeout(60_000)
        page = context.new_page()
        take(page, re.sub(r"/+$", "", url), photo_sources.collect(Path(scratch)), folder)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], *(Path(argument) for argument in sys.argv[2:3]))
