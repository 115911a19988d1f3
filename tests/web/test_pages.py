"""The pages beside the studio: one job, and the queue."""

import itertools
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from shared import keys
from tests.support.stack import Stack
from tests.support.waiting import wait_until
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


@pytest.mark.parametrize(
    ("attempts", "timings", "names"),
    [
        (1, {"decode": 5}, ["waiting", "decode", "hand-over"]),
        (2, {"decode": 5}, ["waiting", "lost attempt", "decode"]),
        (3, {"decode": 5}, ["waiting", "lost attempts", "decode"]),
        (1, {}, ["waiting", "work without steps"]),
        (3, {}, ["waiting", "lost attempts"]),
    ],
    ids=["one", "two", "three", "one whose process was killed", "three that were given up"],
)
def test_time_that_no_step_took_is_called_by_its_name(
    page: Page, stack: Stack, attempts: int, timings: dict[str, int], names: list[str]
) -> None:
    page.goto(f"{stack.url}/queue")
    times = {"created": "2026-11-24T10:00:01Z", "started": "2026-11-24T10:00:02Z", "finished": "2026-11-24T10:00:13Z"}
    job = {"run": 1, "attempts": attempts, "timings": timings, "earlier": [], **times}
    steps = page.evaluate("async (job) => (await import('/web/waterfall.js')).stepsOf(job)", job)
    assert [step["name"] for step in steps] == names
    assert {step["name"] for step in steps if step.get("idle")} == set(names) - {"decode", "work without steps"}


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


def _queue(**members: object) -> dict[str, object]:
    """What the server tells of a queue where nothing happens."""
    stream = {"name": "image.uploaded:{0}", "group": "process", "length": 9, "lag": 0, "pending": 0, "oldest_ms": 0}
    worker = {"name": "w1", "service": "process", "state": "idle", "pending": 0, "work": []}
    rates = {"done_per_s": 0, "failed_per_s": 0}
    return {
        "streams": [{**stream, **{key: members.pop(key) for key in ("lag", "pending", "oldest_ms") if key in members}}],
        "workers": [worker, {**worker, "name": "r1", "service": "results"}],
        "rates": rates,
        "history": {"span_s": 10, "done": [0] * 90, "failed": [0] * 90},
        "errors": {},
        "dead_letters": 0,
        **members,
    }


def test_the_headline_says_first_what_is_worst(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/queue")
    say = """async (queues) => {
      const { headline } = await import("/web/overview.js");
      return queues.map(headline).map(({ level, text }) => [level, text]);
    }"""
    queues = [
        _queue(workers=[], lag=3, dead_letters=1),
        _queue(dead_letters=1, lag=3),
        _queue(dead_letters=1, rates={"done_per_s": 0.5, "failed_per_s": 2}),
        _queue(rates={"done_per_s": 4, "failed_per_s": 1}),
        _queue(rates={"done_per_s": 0, "failed_per_s": 0.017}),
        _queue(lag=3, oldest_ms=65_000),
        _queue(lag=3, pending=2, oldest_ms=40),
        _queue(),
    ]
    assert page.evaluate(say, queues) == [
        ["bad", "No worker is alive; 3 images waiting · No results service is alive · 1 dead letter to look at"],
        ["warn", "1 dead letter to look at"],
        ["bad", "80 % of the last minute's jobs failed · 1 dead letter to look at"],
        ["warn", "20 % of the last minute's jobs failed"],
        ["good", "All quiet, nothing is waiting"],
        ["warn", "Falling behind: the oldest has waited 1 min 5 s"],
        ["good", "Working: 3 images waiting, 2 in work"],
        ["good", "All quiet, nothing is waiting"],
    ]


def test_the_queue_shows_which_errors_there_are_and_how_the_numbers_go(page: Page, stack: Stack, damaged: Path) -> None:
    job = httpx.post(f"{stack.url}/v1/images?filters=flip", content=damaged.read_bytes()).json()["jobs"][0]
    wait_until(lambda: httpx.get(f"{stack.url}/v1/jobs/{job['id']}").json()["state"] == "failed")
    page.clock.install()
    page.goto(f"{stack.url}/queue")
    error = page.locator("#errors li", has_text="corrupt_image")
    expect(error).to_contain_text("The picture is damaged")
    expect(error.get_by_role("meter")).to_have_attribute("aria-label", re.compile(r"^corrupt_image: \d+$"))
    lines = page.locator(".sparkline-line")
    expect(lines).to_have_count(6)
    page.wait_for_selector("body[data-ready]")
    page.clock.run_for(2000)
    for name, points in (("Waiting", r"\S+ \S+"), ("Done", r"(\S+ ?){90}"), ("Failed", r"(\S+ ?){90}")):
        line = page.locator(".number-tile", has_text=name).locator(".sparkline-line")
        expect(line).to_have_attribute("points", re.compile(f"^{points}$"))


def test_a_row_keeps_the_focus_while_its_numbers_change(page: Page, stack: Stack) -> None:
    jobs = iter(["0-first", "0-second", None, None])

    def answer(route: Route) -> None:
        job = next(jobs)
        worker = {"service": "process", "state": "processing" if job else "idle", "pending": 0, "work": []}
        work = [{"job": job, "since": None, "attempt": 1}] if job else []
        others = [{**worker, "name": name} for name in ("a", "c")]
        busy = {**worker, "name": "b", "pending": len(work), "work": work}
        route.fulfill(json=_queue(workers=[others[0], busy, others[1]]))

    page.route("**/v1/queue", answer)
    page.clock.install()
    page.goto(f"{stack.url}/queue")
    page.wait_for_selector("body[data-ready]")
    link = page.get_by_role("link", name="0-first")
    link.focus()
    page.clock.run_for(2000)
    expect(page.get_by_role("link", name="0-second")).to_be_focused()
    page.clock.run_for(2000)
    # Nothing is left to hold it: the table takes it, not the top of the page.
    expect(page.get_by_role("group", name="Workers")).to_be_focused()


def test_a_dropped_letter_leaves_the_focus_at_its_table(page: Page, nonsense: str) -> None:
    letter = page.locator("#letters tr", has_text=nonsense)
    drop = letter.get_by_role("button", name="Drop")
    drop.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(letter).to_have_count(0)
    expect(page.get_by_role("group", name="Dead letters")).to_be_focused()
