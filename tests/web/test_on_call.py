"""The queue page for someone on call: what each child does, what is missing, and all dead letters at once."""

import re

import pytest
from playwright.sync_api import Page, Route, expect
from redis import Redis

from shared import keys
from tests.support.stack import Stack
from tests.web.test_pages import _queue


def _worker(*work: dict[str, object], pending: int) -> dict[str, object]:
    state = "processing" if pending else "idle"
    return {"name": "p1", "service": "process", "state": state, "pending": pending, "work": list(work)}


def test_a_worker_shows_what_each_of_its_children_does(page: Page, stack: Stack) -> None:
    begun = {"job": "0-a", "since": "2026-11-24T10:00:00Z", "attempt": 1}
    work = [begun, {**begun, "job": "0-b", "attempt": 3}, {"job": None, "since": None, "attempt": 1}]
    queue = _queue(workers=[_worker(*work, pending=20), {**_worker(pending=2), "service": "results"}])
    page.route("**/v1/queue", lambda route: route.fulfill(json=queue))
    page.goto(f"{stack.url}/queue")
    lines = page.locator("#workers .work-line")
    expect(lines).to_have_count(3)
    expect(lines.nth(0).get_by_role("link", name="0-a")).to_have_attribute("href", "/jobs/0-a")
    expect(lines.nth(1)).to_contain_text("attempt 3")
    expect(lines.nth(2)).to_have_text("somebody else's jobnext")
    expect(page.locator("#workers tr").nth(0)).to_contain_text("and 17 more")
    expect(page.locator("#workers tr").nth(1)).to_contain_text("2 entries")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "The results service is missing here"),
        (502, "The results service does not answer"),
        (403, "Not allowed: Not with this key."),
    ],
)
def test_a_results_service_that_is_not_there_is_an_alarm_until_it_is_back(
    page: Page, stack: Stack, status: int, words: str
) -> None:
    problem = {"code": "forbidden" if status == 403 else "other", "detail": "Not with this key."}
    answers = iter([None, status])

    def answer(route: Route) -> None:
        refused = next(answers, None)
        if refused is None:
            route.continue_()
        else:
            route.fulfill(status=refused, json=problem)

    page.route("**/v1/queue", answer)
    page.clock.install()
    page.goto(f"{stack.url}/queue")
    page.wait_for_selector("body[data-ready]")
    page.clock.run_for(2000)
    headline = page.locator("#headline")
    expect(headline).to_contain_text(words)
    expect(headline).to_contain_text("what is below is as of")
    expect(headline).to_have_attribute("data-level", "bad")
    expect(page).to_have_title(re.compile("^⚠ "))
    page.clock.run_for(2000)
    expect(headline).not_to_contain_text(words)


@pytest.fixture
def many(page: Page, stack: Stack) -> Page:
    """The queue page with 230 letters that nobody can replay into a job, and no others."""
    with Redis.from_url(stack.redis_url) as redis:
        redis.delete(keys.dead(0))
        pipeline = redis.pipeline()
        for number in range(230):
            pipeline.xadd(keys.dead(0), {"data": f"by hand {number}"})
        pipeline.execute()
    page.goto(f"{stack.url}/queue")
    expect(page.locator("#letters tr")).to_have_count(20)
    return page


def test_more_dead_letters_than_one_page_holds_are_shown_and_all_dropped(many: Page, stack: Stack) -> None:
    refused: list[str] = []
    many.on("response", lambda response: refused.append(response.url) if response.status >= 400 else None)
    for count in range(40, 221, 20):
        many.get_by_role("button", name="Show more").first.click()
        expect(many.locator("#letters tr")).to_have_count(count)
    many.get_by_role("button", name="Drop all").click()
    many.get_by_role("button", name="Really drop all?").click()
    expect(many.locator(".toast")).to_contain_text("230 dead letters dropped.", timeout=30_000)
    expect(many.locator("#letters")).to_have_text("None.")
    assert refused == []
    with Redis.from_url(stack.redis_url) as redis:
        assert redis.xlen(keys.dead(0)) == 0


def test_all_dead_letters_are_put_back_once_each_although_they_die_again(page: Page, stack: Stack) -> None:
    with Redis.from_url(stack.redis_url) as redis:
        redis.delete(keys.dead(0))
        for number in range(3):
            redis.xadd(keys.uploaded(0), {"data": f"no JSON {number}"})
    page.goto(f"{stack.url}/queue")
    letters = page.locator("#letters tr")
    expect(letters.filter(has_text="invalid_event")).to_have_count(3)
    before = set(letters.locator("th").all_inner_texts())
    page.get_by_role("button", name="Replay all").click()
    page.get_by_role("button", name="Really replay all?").click()
    expect(page.locator(".toast")).to_contain_text("3 dead letters put back.")
    # As unreadable as before: each is back under another id.
    expect(letters.filter(has_text="invalid_event")).to_have_count(3)
    for name in before:
        expect(letters.filter(has_text=name)).to_have_count(0)
