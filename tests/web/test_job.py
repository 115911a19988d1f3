"""The page of one job while things happen to it: it follows, it is tried again, it tells what was."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect
from redis import Redis

from shared import keys
from shared.blobs import BlobStore
from shared.events import Failure, ImageProgress, ImageUploaded, encode
from tests.support.stack import TRACE_URL, Stack
from tests.support.waiting import wait_until
from tests.web.studio import Studio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
Tell = Callable[..., None]


@pytest.fixture
def told(stack: Stack) -> tuple[str, Tell]:
    """A job whose source is nowhere, and how to tell of it as a worker does, so that a test says when."""
    return _told(stack, source="inbox/nowhere.jpg")


def _told(stack: Stack, **members: str) -> tuple[str, Tell]:
    job_id = keys.new_id(0)
    upload = ImageUploaded(job_id=job_id, name="nowhere.jpg", filters=[{"name": "sepia"}], **members)

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


def test_a_retry_that_succeeds_is_seen_in_the_studio(page: Page, stack: Stack, small_photos: list[Path]) -> None:
    batch = keys.new_id(0)
    job_id, tell = _told(stack, source=f"inbox/{batch}", batch=batch)
    tell("failed", error=Failure("storage_unavailable", "The store did not answer."))
    wait_until(lambda: httpx.get(f"{stack.url}/v1/jobs/{job_id}").is_success)
    kept = json.dumps(json.dumps([{"id": job_id, "batch": batch}]))
    page.goto(f"{stack.url}/queue")
    page.evaluate(f"sessionStorage.setItem('table', {kept})")
    studio = Studio(page, stack.url).open("?chain=sepia")
    studio.stop_preview()
    expect(studio.tiles).to_have_attribute("data-state", "failed")
    expect(page.locator(".message")).to_contain_text("The store does not answer")
    BlobStore(stack.blob_url).put(f"inbox/{batch}", small_photos[4].read_bytes())
    studio.button("Try again").click()
    studio.wait_developed(1)
    expect(studio.tiles).to_have_attribute("data-state", "done")
    expect(studio.compares).to_be_visible()
    expect(page.locator(".message")).to_be_hidden()


def test_the_steps_tell_each_filter_by_its_name_and_when_it_began(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/queue")
    job = {
        "run": 1,
        "attempts": 1,
        "earlier": [],
        "filters": [{"name": "sepia"}, {"name": "negative"}, {"name": "blur", "size": 9}],
        "filter_ms": [1, 0, 4],
        "timings": {"decode": 10, "filters": 5, "encode": 5},
        "created": "2026-11-24T10:00:00.000Z",
        "started": "2026-11-24T10:00:00.020Z",
        "finished": "2026-11-24T10:00:00.040Z",
    }
    read = """async (job) => [...(await import("/web/waterfall.js")).waterfall(job).querySelectorAll("tbody tr")].map(
      (row) => [0, 2, 3].map((cell) => row.cells[cell].textContent))"""
    assert page.evaluate(read, job) == [
        ["Waiting", "+0 ms", "20 ms"],
        ["Decode", "+20 ms", "10 ms"],
        ["Sepia + negative", "+30 ms", "1.0 ms"],
        ["Blur", "+31 ms", "4.0 ms"],
        ["Encode", "+35 ms", "5.0 ms"],
    ]


def test_without_an_address_of_traces_a_job_says_how_to_get_one(at_work: tuple[Page, Tell]) -> None:
    page, _ = at_work

    def answer(route: Route) -> None:
        document = route.fetch().json()
        route.fulfill(json={**document, "trace_url": None})

    page.route("**/v1/jobs/*", answer)
    page.route("**/v1/jobs/*/events", lambda route: route.abort())
    page.reload()
    expect(page.locator("#facts")).to_contain_text(f"{TRACE} To open it from here, DARKROOM_TRACE_URL must name")


def test_a_job_that_is_gone_meanwhile_says_so(at_work: tuple[Page, Tell]) -> None:
    page, _ = at_work
    problem = {"code": "not_found", "detail": "There is no such job."}
    page.route("**/v1/jobs/*/events", lambda route: route.fulfill(status=404, json=problem))
    page.reload()
    expect(page.locator("#missing")).to_contain_text("Not foundThere is no such job.")


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
