"""The page of one job while things happen to it: it follows, it is tried again, it tells what was."""

import re
import time
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from shared import keys
from shared.events import Failure, ImageProgress, ImageUploaded, encode
from tests.support.stack import TRACE_URL, Stack
from tests.support.waiting import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
Tell = Callable[..., None]


@pytest.fixture
def told(stack: Stack) -> tuple[str, Tell]:
    """A job whose source is nowhere, and how to tell of it as a worker does, so that a test says when."""
    job_id = keys.new_id(0)
    upload = ImageUploaded(source="inbox/nowhere.jpg", job_id=job_id, name="nowhere.jpg", filters=[{"name": "sepia"}])

    def tell(kind: str, **members: object) -> None:
        event = ImageProgress(
            type=kind, job_id=job_id, upload=upload, run=1, at=int(time.time() * 1000), attempt=1, **members
        )
        fields = {"data": encode(event), "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        with Redis.from_url(stack.redis_url) as redis:
            redis.xadd(keys.progress(0), fields)

    return job_id, tell


@pytest.fixture
def at_work(page: Page, stack: Stack, told: tuple[str, Tell]) -> tuple[Page, Tell]:
    """The page of a job that a worker has begun."""
    job_id, tell = told
    tell("started")
    wait_until(lambda: httpx.get(f"{stack.url}/v1/jobs/{job_id}").is_success)
    page.goto(f"{stack.url}/jobs/{job_id}")
    expect(page.locator("#state")).to_have_text("Processing")
    return page, tell


def test_a_job_is_followed_while_it_happens(at_work: tuple[Page, Tell]) -> None:
    page, tell = at_work
    page.evaluate("window.isTheSame = true")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    tell("failed", error=Failure("corrupt_image", "The picture ends too early."))
    expect(page.locator("#state")).to_have_text("Failed")
    expect(page.locator("#error")).to_contain_text("The picture is damagedThe picture ends too early.")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.locator("#live")).to_have_text("Failed")
    assert page.evaluate("window.isTheSame")


def test_a_job_leads_to_its_trace(at_work: tuple[Page, Tell]) -> None:
    page, _ = at_work
    link = page.locator("#facts").get_by_role("link", name="open the trace")
    expect(link).to_have_attribute("href", TRACE_URL.format(trace_id=TRACE))


def test_a_failed_job_is_tried_again_and_both_runs_stay_told(at_work: tuple[Page, Tell]) -> None:
    page, tell = at_work
    tell("failed", error=Failure("timed_out", "It took too long."))
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#error")).to_contain_text("The picture is gone")
    history = re.compile(
        r"Uploaded.*Started, attempt 1 \(run 1\).*Failed \(run 1\): It took too long.*Sent again \(run 2\).*"
        r"Started, attempt 1 \(run 2\).*Failed \(run 2\): The picture is gone",
        re.DOTALL,
    )
    expect(page.locator("#history")).to_have_text(history)
    page.reload()
    expect(page.locator("#history")).to_have_text(history)
    # The trace of the run before is one click away, too.
    earlier = page.locator("#history").get_by_role("link", name="open the trace")
    expect(earlier).to_have_attribute("href", TRACE_URL.format(trace_id=TRACE))
