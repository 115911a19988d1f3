"""A Darkroom with API keys, in a browser: come in, see what is one's own and nothing else, go out."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it comes without types
from playwright.sync_api import Browser, Page, expect

from tests.support.stack import Stack
from tests.web.studio import Studio


@pytest.fixture
def door(page: Page, guarded: Stack) -> Page:
    """Where somebody without a key ends up who asks for the queue."""
    page.goto(f"{guarded.url}/queue")
    page.wait_for_url("**/sign-in?next=%2Fqueue")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    return page


def _sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def _studio(page: Page, guarded: Stack, name: str) -> Studio:
    """The studio of somebody who has signed in."""
    page.goto(f"{guarded.url}/sign-in")
    _sign_in(page, guarded.new_key(name))
    page.wait_for_url(guarded.url + "/")
    studio = Studio(page, guarded.url)
    studio.wait_ready()
    return studio


def test_one_comes_in_and_goes_out_by_the_keyboard(door: Page, guarded: Stack) -> None:
    expect(door.get_by_label("API key")).to_be_focused()
    door.keyboard.type(guarded.new_key("alice"))
    door.keyboard.press("Enter")
    door.wait_for_url(f"{guarded.url}/queue")
    door.get_by_role("link", name="Account: alice").press("Enter")
    expect(door.locator("#account")).to_be_visible()
    for name in ("Darkroom", "Dark colours", "Sign out"):
        door.keyboard.press("Tab")
        expect(door.locator(":focus")).to_have_accessible_name(name)
    door.keyboard.press("Enter")
    expect(door.get_by_label("API key")).to_be_focused()


def test_a_wrong_key_is_refused_in_words(door: Page) -> None:
    _sign_in(door, "dk_wrong")

    expect(door.get_by_role("alert")).to_have_text("This API key is not valid, or not any more.")
    expect(door.get_by_label("API key")).to_be_focused()


def test_a_key_leads_back_to_where_one_wanted_to_go(door: Page, guarded: Stack) -> None:
    _sign_in(door, guarded.new_key("alice"))

    door.wait_for_url(f"{guarded.url}/queue")
    expect(door.get_by_role("heading", level=1)).to_have_text("Queue")


def test_the_key_is_in_a_cookie_that_no_script_reads(page: Page, guarded: Stack) -> None:
    _studio(page, guarded, "alice")

    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert page.evaluate("document.cookie + JSON.stringify([localStorage, sessionStorage])").count("dk_") == 0


def test_one_sees_ones_own_jobs_and_no_others(
    page: Page, chromium: Browser, guarded: Stack, small_photos: list[Path]
) -> None:
    studio = _studio(page, guarded, "alice")
    studio.open("?chain=sepia")
    studio.choose(small_photos[0])
    studio.wait_developed(1)
    expect(studio.compares).to_be_visible()
    page.get_by_role("link", name="Details of this job").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("photo-000.jpg")
    job = page.url

    stranger = chromium.new_context()
    other = _studio(stranger.new_page(), guarded, "mallory").page
    other.goto(job)
    expect(other.get_by_role("heading", level=1)).to_have_text("Not found")
    other.goto(f"{guarded.url}/queue")
    expect(other.get_by_role("heading", level=1)).to_have_text("Queue")
    expect(other.locator("#jobs")).not_to_contain_text("photo-000.jpg")
    stranger.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_door_has_no_accessibility_violations(door: Page, guarded: Stack, width: int) -> None:
    door.set_viewport_size({"width": width, "height": 700})
    assert Axe().run(door).violations_count == 0
    _studio(door, guarded, "alice")
    door.get_by_role("link", name="Account: alice").click()
    expect(door.locator("#account")).to_be_visible()
    assert Axe().run(door).violations_count == 0


@pytest.mark.parametrize("width", [360, 1280])
def test_a_long_name_leaves_the_page_as_wide_as_it_is(page: Page, guarded: Stack, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    _studio(page, guarded, "the-photo-desk-of-the-evening-edition")
    expect(page.get_by_role("link", name="Account: the-photo-desk")).to_be_in_viewport()
    for name in ("Studio", "Queue"):
        expect(page.get_by_role("link", name=name, exact=True)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_after_signing_out_nothing_is_shown_any_more(page: Page, guarded: Stack, small_photos: list[Path]) -> None:
    studio = _studio(page, guarded, "alice")
    studio.open("?chain=negative")
    studio.choose(small_photos[1])
    studio.wait_developed(1)
    page.get_by_role("link", name="Account: alice").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signed in")
    expect(page.locator("#account")).to_contain_text(re.compile("As alice.*submit, read, operate"))

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.context.cookies() == []
    page.goto(guarded.url)
    page.wait_for_url("**/sign-in?next=%2F")
