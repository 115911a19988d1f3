"""The pictures of the pages in the documents: `python -m tests.web.pictures URL FOLDER` on a running Darkroom.

It drives the system's Chromium with real photos; the photos of Debian's mate-backgrounds, if they are there.
"""

import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from tests.conftest import CHROMIUM_OPTIONS
from tests.support import photos as photo_sources
from tests.web.studio import Studio

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
_WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
_NARROW: Final[ViewportSize] = {"width": 390, "height": 844}


def take(page: Page, url: str, photos: list[Path], folder: Path) -> None:
    """Take every picture into a folder."""
    studio = Studio(page, url).open()
    page.set_viewport_size(_WIDE)
    studio.choose(*photos)
    studio.button("Vintage").click()
    expect(studio.compares).to_be_visible()
    studio.develop()
    studio.wait_developed(len(photos))
    # One that shows what the chain does.
    sheet = page.get_by_role("listbox", name="Photos")
    for _ in range(3):
        sheet.press("ArrowRight")
    _settle(page)
    _save(page, folder / "studio.png")
    studio.button("Contact sheet").click()
    _settle(page)
    _save(page, folder / "contact-sheet.png")
    studio.button("Contact sheet").click()
    page.set_viewport_size(_NARROW)
    page.emulate_media(color_scheme="light")
    _settle(page)
    _save(page, folder / "studio-narrow.png")
    page.set_viewport_size(_WIDE)
    page.get_by_role("link", name="Details of this job").click()
    expect(page.locator(".stage[data-compares]")).to_be_visible()
    _save(page, folder / "job.png", full=True)
    page.emulate_media(color_scheme="dark")
    page.goto(f"{url}/queue")
    page.wait_for_selector("body[data-ready]")
    _save(page, folder / "queue.png")


def _settle(page: Page) -> None:
    """Every picture that can be seen is there."""
    expect(page.locator(".tile:not(.has-picture)")).to_have_count(0)
    expect(page.locator(".stage[data-compares]:not([data-loading])")).to_have_count(1)
    page.wait_for_function("[...document.images].every((image) => image.complete)")


def _save(page: Page, path: Path, *, full: bool = False) -> None:
    with Image.open(io.BytesIO(page.screenshot(full_page=full))) as shot:
        shot.convert("RGB").save(path, optimize=True)


def main(url: str, folder: Path = FOLDER) -> None:
    """Take the pictures of the Darkroom at `url`. Raises RuntimeError without a Chromium."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        message = "There is no chromium on this machine."
        raise RuntimeError(message)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(CHROMIUM_OPTIONS))
        page = browser.new_page(color_scheme="dark", reduced_motion="reduce")
        page.set_default_timeout(60_000)
        take(page, re.sub(r"/+$", "", url), photo_sources.collect(Path(scratch)), folder)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], *(Path(argument) for argument in sys.argv[2:3]))
