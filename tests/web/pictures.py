"""The pictures of the pages in the documents, all of them: `python -m tests.web.pictures [FOLDER]`.

It starts a Darkroom of its own, and one that asks for keys, and drives the system's Chromium there with real photos:
those of Debian's mate-backgrounds, if they are there.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from redis import Redis

from shared import keys
from tests.conftest import CHROMIUM_OPTIONS
from tests.support import photos as photo_sources
from tests.support import stack as stacks
from tests.support.stack import Stack
from tests.web.studio import Studio

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
_WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
#: Of a page with little on it.
_LOW: Final[ViewportSize] = {"width": 1280, "height": 520}
#: Of one where the dead letters are to be seen too.
_HIGH: Final[ViewportSize] = {"width": 1280, "height": 980}
#: Milliseconds that one thing may take.
_PATIENCE: Final = 60_000
#: What the queue's charts have drawn before their picture is taken.
_ENOUGH_POINTS: Final = re.compile(r"^(\S+ ){10}")
#: The photo that is shown large.
_SHOWN: Final = 4
#: Images that are sent at once for the picture of the queue.
_WAITING: Final = 40
_NARROW: Final[ViewportSize] = {"width": 390, "height": 844}


def take(browser: Browser, stack: Stack, photos: list[Path], folder: Path) -> None:
    """Take the pictures of the pages of a Darkroom into a folder."""
    url = stack.url
    context = browser.new_context(viewport=_WIDE, color_scheme="dark", reduced_motion="reduce")
    context.set_default_timeout(_PATIENCE)
    queue = context.new_page()
    queue.goto(f"{url}/queue")
    page = context.new_page()
    _studio(page, url, photos, folder)
    page.set_viewport_size(_WIDE)
    page.get_by_role("link", name="Details of this job").click()
    page.wait_for_url("**/jobs/*")
    _compares(page, photos[_SHOWN].name)
    page.screenshot(path=folder / "job.png", full_page=True)
    _waterfall(browser, page.url, folder)
    page.goto(f"{url}/docs")
    page.screenshot(path=folder / "documents.png")
    # It has watched all the while, so that its charts have something to tell.
    expect(queue.locator(".sparkline-line").first).to_have_attribute("points", _ENOUGH_POINTS, timeout=_PATIENCE)
    _queue_at_work(queue, stack, photos)
    queue.set_viewport_size(_HIGH)
    queue.screenshot(path=folder / "queue.png")
    context.close()


def _queue_at_work(page: Page, stack: Stack, photos: list[Path]) -> None:
    """The queue with images that wait, workers at work, and what somebody published by mistake."""
    with Redis.from_url(stack.redis_url) as redis:
        redis.xadd(keys.uploaded(0), {"data": "inbox/cat.jpg sepia"})
    # Large filters, each time others: none is answered from the store.
    for number in range(_WAITING):
        path = photos[number % len(photos)]
        query = {"filters": f"blur:size=99,blur:size={2 * number + 1}", "format": "avif", "name": path.name}
        httpx.post(f"{stack.url}/v1/images", params=query, content=path.read_bytes()).raise_for_status()
    expect(page.locator("#letters tr", has_text="invalid_event")).to_be_visible()
    expect(page.locator("#workers .work-line", has_text=re.compile("ms|s$")).first).to_be_visible()
    expect(page.locator(".number-tile", has_text="Waiting").locator(".number")).not_to_have_text("0")


def _studio(page: Page, url: str, photos: list[Path], folder: Path) -> None:
    studio = Studio(page, url).open()
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
    expect(studio.tiles).to_have_count(len(photos))
    _settle(page, shown)
    page.screenshot(path=folder / "contact-sheet.png")
    studio.button("Contact sheet").click()
    page.set_viewport_size(_NARROW)
    page.emulate_media(color_scheme="light")
    _settle(page, shown)
    page.screenshot(path=folder / "studio-narrow.png")


def _waterfall(browser: Browser, job: str, folder: Path) -> None:
    """The steps of a job alone, so large that they can be read on any screen."""
    context = browser.new_context(viewport={"width": 640, "height": 900}, color_scheme="light", device_scale_factor=2)
    page = context.new_page()
    page.goto(job)
    page.wait_for_selector("body[data-ready]")
    page.get_by_role("region", name="Steps").screenshot(path=folder / "waterfall.png")
    context.close()


def take_door(browser: Browser, url: str, folder: Path) -> None:
    """Take the picture of where a Darkroom asks for a key."""
    page = browser.new_page(viewport=_LOW, color_scheme="dark")
    page.goto(f"{url}/queue")
    expect(page.get_by_label("API key")).to_be_visible()
    page.screenshot(path=folder / "sign-in.png")
    page.close()


def _settle(page: Page, name: str) -> None:
    """Every picture that can be seen is there."""
    expect(page.locator(".tile:not(.has-picture)")).to_have_count(0)
    _compares(page, name)


def _compares(page: Page, name: str) -> None:
    """The photo of this name is there, before and after."""
    expect(page.locator(f".stage[data-compares] img[alt='{name}, developed']")).to_have_count(1)


def main(folder: Path = FOLDER) -> None:
    """Take every picture. Raises RuntimeError without a Chromium."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        message = "There is no chromium on this machine."
        raise RuntimeError(message)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(CHROMIUM_OPTIONS))
        open_to_all = stacks.start(Path(scratch) / "open")
        try:
            (Path(scratch) / "photos").mkdir()
            take(browser, open_to_all, photo_sources.collect(Path(scratch) / "photos"), folder)
        finally:
            open_to_all.stop()
        guarded = stacks.start_guarded(Path(scratch) / "guarded")
        try:
            take_door(browser, guarded.url, folder)
        finally:
            guarded.stop()
        browser.close()


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
