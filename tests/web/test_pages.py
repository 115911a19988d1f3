"""The pages beside the studio: one job, and the queue."""

import itertools
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shared import keys
from tests.support.stack import Stack
from tests.web.studio import Studio

#: No two jobs of these tests may be the same, or the second is answered from the first one's result.
_numbers = itertools.count(1)


@pytest.fixture
def job_page(studio: Studio, small_photos: list[Path]) -> Page:
    """The page of a job that is done."""
    studio.open(f"?chain=sepia,blur:size=15,brighten:amount={next(_numbers)}")
    studio.choose(small_photos[9])
    studio.wait_developed(1)
    studio.page.get_by_role("link", name="Details of this job").click()
    expect(studio.page.get_by_role("heading", level=1)).to_have_text("photo-009.jpg")
    return studio.page


def test_a_job_shows_both_pictures_its_facts_and_its_history(job_page: Page) -> None:
    expect(job_page.locator(".stage[data-compares]")).to_be_visible()
    expect(job_page.locator("#facts")).to_contain_text("320 × 240, image/jpeg")
    expect(job_page.locator("#facts")).to_contain_text("sepia,blur:size=15,brighten:amount=")
    expect(job_page.locator("#history")).to_contain_text(re.compile("Uploaded.*Started, attempt 1.*Done", re.DOTALL))


def test_a_job_shows_its_steps_as_a_waterfall(job_page: Page) -> None:
    rows = job_page.locator(".waterfall tbody tr")
    names = rows.locator("th").all_inner_texts()
    assert names[0] == "Waiting"
    for step in ("Decode", "Encode", "Store"):
        assert step in names
    lefts = rows.locator(".fall").evaluate_all("(bars) => bars.map((bar) => parseFloat(bar.style.left))")
    assert lefts == sorted(lefts)


def test_the_chain_of_a_job_can_be_used_again(job_page: Page) -> None:
    job_page.get_by_role("link", name="Use this chain").click()
    job_page.wait_for_selector("body[data-ready]")
    assert job_page.locator("#steps h3").all_inner_texts() == ["Sepia", "Blur", "Brighten"]


def test_a_job_is_deleted_only_when_asked_twice(job_page: Page) -> None:
    job_page.get_by_role("button", name="Delete").click()
    job_page.get_by_role("button", name="Really delete?").click()
    expect(job_page.locator("#missing")).to_be_visible()


def test_a_job_that_never_was_says_so(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/jobs/0-01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


def test_the_queue_lists_the_latest_jobs_by_state(studio: Studio, small_photos: list[Path], damaged: Path) -> None:
    studio.open("?chain=sepia")
    studio.stop_preview()
    studio.choose(small_photos[0], damaged)
    studio.develop()
    expect(studio.status).to_contain_text("1 of 2 developed · 1 failed")
    page = studio.page
    page.goto(f"{studio.url}/queue")
    jobs = page.locator("#jobs tr")
    expect(jobs.filter(has_text="photo-000.jpg").first).to_contain_text("Done")
    page.get_by_label("State of the jobs").select_option("failed")
    expect(jobs.first).to_contain_text("damaged.jpg")
    expect(jobs.filter(has_text="Done")).to_have_count(0)


@pytest.fixture
def nonsense(page: Page, stack: Stack, unreadable: str) -> str:
    """The same entry, seen on the queue page among the dead letters."""
    page.goto(f"{stack.url}/queue")
    expect(page.locator("#letters tr", has_text=unreadable)).to_be_visible(timeout=20_000)
    return unreadable


def test_a_dead_letter_says_why_and_is_dropped_when_asked_twice(page: Page, nonsense: str) -> None:
    letter = page.locator("#letters tr", has_text=nonsense)
    expect(letter).to_contain_text("invalid_event")
    letter.get_by_role("button", name="Drop").click()
    letter.get_by_role("button", name="Really drop?").click()
    expect(letter).to_have_count(0)
    expect(page.locator(".toast")).to_contain_text("Dropped.")


def test_a_dead_letter_can_be_replayed(page: Page, nonsense: str) -> None:
    letter = page.locator("#letters tr", has_text=nonsense)
    letter.get_by_role("button", name=re.compile("^Replay")).click()
    expect(page.locator(".toast")).to_be_visible()
    # It is as unreadable as before, so it comes back as a new letter; the old one is gone.
    expect(page.locator("#letters tr", has_text="invalid_event").first).to_be_visible()


def test_the_queue_shows_numbers_workers_and_streams(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/queue")
    expect(page.locator("#numbers")).to_contain_text(re.compile("Waiting.*In work.*Oldest.*Workers", re.DOTALL))
    expect(page.locator("#workers tr", has_text="process").first).to_be_visible()
    expect(page.locator("#streams")).to_contain_text(keys.uploaded(0))
