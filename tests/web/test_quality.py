"""What holds for every page: accessible, small, quick, on its own, at every width."""

import re
from pathlib import Path
from typing import Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it comes without types
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from tests.support.stack import Stack
from tests.support.waiting import wait_until
from tests.web.studio import Studio

#: Bytes over the wire that the first visit may cost.
BUDGET = 60_000
#: Likewise with everything that a photo on the table needs.
WHOLE = 65_000
#: Milliseconds from the start of the navigation until the page takes input.
INTERACTIVE = 300

Scheme = Literal["dark", "light"]


def _accessible(page: Page) -> None:
    results = Axe().run(page, options={"resultTypes": ["violations"]})
    assert results.violations_count == 0, results.generate_report()


@pytest.fixture(params=["dark", "light"])
def coloured(request: pytest.FixtureRequest, page: Page) -> Page:
    scheme: Scheme = request.param
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    return page


def test_the_studio_has_no_accessibility_violations(
    coloured: Page, stack: Stack, small_photos: list[Path], damaged: Path
) -> None:
    studio = Studio(coloured, stack.url).open()
    _accessible(coloured)
    studio.choose(*small_photos[:4], damaged)
    studio.button("Vintage").click()
    studio.develop()
    expect(studio.status).to_contain_text("4 of 5 developed")
    expect(studio.compares).to_be_visible()
    _accessible(coloured)
    coloured.get_by_role("listbox", name="Photos").press("End")
    expect(coloured.locator(".message")).to_be_visible()
    _accessible(coloured)
    studio.button("Add a filter").click()
    _accessible(coloured)
    coloured.keyboard.press("Escape")
    studio.button("Contact sheet").click()
    _accessible(coloured)


def test_the_queue_has_no_accessibility_violations(coloured: Page, stack: Stack, unreadable: str) -> None:
    coloured.goto(f"{stack.url}/queue")
    expect(coloured.locator("#letters tr", has_text=unreadable)).to_be_visible()
    _accessible(coloured)


@pytest.fixture
def job(stack: Stack, small_photos: list[Path]) -> str:
    """The address of the page of a job that is done."""
    return _ended(stack, small_photos[7], "done")


@pytest.fixture
def failed_job(stack: Stack, damaged: Path) -> str:
    """That of one that failed, and ran twice."""
    page = _ended(stack, damaged, "failed")
    again = page.replace("/jobs/", "/v1/jobs/")
    httpx.post(f"{again}/retry").raise_for_status()
    wait_until(lambda: httpx.get(again).json()["state"] == "failed")
    return page


def _ended(stack: Stack, picture: Path, state: str) -> str:
    sent = httpx.post(f"{stack.url}/v1/images?filters=sepia", content=picture.read_bytes())
    job_id = sent.json()["jobs"][0]["id"]
    wait_until(lambda: httpx.get(f"{stack.url}/v1/jobs/{job_id}").json()["state"] == state)
    return f"{stack.url}/jobs/{job_id}"


def test_a_failed_job_and_the_documents_have_no_violations(coloured: Page, stack: Stack, failed_job: str) -> None:
    coloured.goto(failed_job)
    expect(coloured.locator("#error")).to_be_visible()
    _accessible(coloured)
    coloured.goto(f"{stack.url}/docs")
    _accessible(coloured)


def test_no_page_has_violations_where_it_is_narrow(
    page: Page, stack: Stack, small_photos: list[Path], unreadable: str, job: str, failed_job: str
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(reduced_motion="reduce")
    studio = Studio(page, stack.url).open("?chain=sepia,blur")
    _accessible(page)
    studio.choose(small_photos[0])
    studio.wait_developed(1)
    expect(studio.compares).to_be_visible()
    _accessible(page)
    page.goto(f"{stack.url}/queue")
    expect(page.locator("#letters tr", has_text=unreadable)).to_be_visible()
    _accessible(page)
    page.goto(job)
    expect(page.locator(".stage[data-compares]")).to_be_visible()
    _accessible(page)
    page.goto(failed_job)
    expect(page.locator("#error")).to_be_visible()
    _accessible(page)
    page.goto(f"{stack.url}/docs")
    _accessible(page)
    _fits(page)


def test_every_page_leads_everywhere_however_narrow(page: Page, stack: Stack, job: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for address in (f"{stack.url}/", f"{stack.url}/queue", job):
        page.goto(address)
        for name in ("Studio", "Queue", "HTTP API", "Streams"):
            expect(page.get_by_role("link", name=name, exact=True)).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("button", name="Dark colours")).to_be_in_viewport(ratio=1)


def test_the_job_page_has_no_accessibility_violations(coloured: Page, stack: Stack, small_photos: list[Path]) -> None:
    studio = Studio(coloured, stack.url).open("?chain=sepia")
    studio.choose(small_photos[7])
    studio.wait_developed(1)
    coloured.get_by_role("link", name="Details of this job").click()
    coloured.wait_for_selector("body[data-ready]")
    expect(coloured.locator(".stage[data-compares]")).to_be_visible()
    _accessible(coloured)


@pytest.mark.parametrize("width", [360, 768, 1280, 2560])
def test_no_page_scrolls_sideways(studio: Studio, small_photos: list[Path], unreadable: str, width: int) -> None:
    page = studio.page
    page.set_viewport_size({"width": width, "height": 800})
    studio.choose(*small_photos[:12])
    studio.button("Vintage").click()
    studio.develop()
    studio.wait_developed(12)
    _fits(page)
    studio.button("Contact sheet").click()
    _fits(page)
    page.goto(f"{studio.url}/queue")
    expect(page.locator("#letters tr", has_text=unreadable)).to_be_visible()
    _fits(page)
    page.get_by_role("link", name="photo-000.jpg").first.click()
    page.wait_for_selector("body[data-ready]")
    _fits(page)


def _fits(page: Page) -> None:
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0, f"{over} px too wide"


@pytest.mark.parametrize("path", ["/", "/queue", "/jobs/"])
def test_the_first_visit_is_small_and_from_one_origin(
    context: BrowserContext, stack: Stack, job: str, path: str
) -> None:
    page = context.new_page()
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))  # noqa: PLW0108 - Playwright marks what it is given
    page.goto(job if path == "/jobs/" else stack.url + path)
    page.wait_for_selector("body[data-ready]")
    # Whatever comes by itself, late modules too; the queue goes on asking for its numbers.
    if path != "/queue":
        page.wait_for_load_state("networkidle")
    assert {response.url.removeprefix(stack.url)[0] for response in responses} == {"/"}
    # The pictures of a job are as large as they are.
    own = [response for response in responses if not re.search("/(original|result)", response.url)]
    sizes = [response.request.sizes() for response in own]
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) <= BUDGET


def test_all_of_the_studio_is_small_too(context: BrowserContext, stack: Stack, small_photos: list[Path]) -> None:
    page = context.new_page()
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))  # noqa: PLW0108 - see above
    studio = Studio(page, stack.url).open()
    studio.stop_preview()
    studio.choose(small_photos[0])
    expect(studio.tiles).to_have_count(1)
    page.wait_for_load_state("networkidle")
    loaded = {response.url.removeprefix(stack.url) for response in responses}
    assert "/web/table.js" in loaded
    sizes = [response.request.sizes() for response in responses if response.url.startswith(stack.url)]
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) <= WHOLE


def test_the_studio_takes_input_soon_after_it_was_asked_for(chromium: Browser, stack: Stack) -> None:
    # Whatever else runs on the machine only makes it slower, so the best of several visits is the page's own time.
    wait_until(lambda: _first_visit(chromium, stack.url) <= INTERACTIVE, timeout=60)


def _first_visit(chromium: Browser, url: str) -> float:
    """Milliseconds until the page is ready, with an empty cache."""
    context = chromium.new_context()
    page = context.new_page()
    # The browser's own start of a process for the site is not the page's.
    page.goto(f"{url}/web/icon.svg")
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    took = float(page.evaluate("performance.getEntriesByName('ready')[0].startTime"))
    context.close()
    return took


def test_the_theme_can_be_chosen_and_is_kept(studio: Studio) -> None:
    button = studio.button("Dark colours")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(studio.page.locator("html")).to_have_attribute("data-theme", "light")
    studio.page.goto(f"{studio.url}/queue")
    expect(studio.page.locator("html")).to_have_attribute("data-theme", "light")
