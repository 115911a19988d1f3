"""What goes wrong is said in words and can be mended; what passes is waited out."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, Route, expect

from shared.errors import DarkroomError, every_error
from tests.support.stack import Stack
from tests.web.studio import Studio
from tests.web.wire import Wire

#: Writes down each state that a tile takes, by its id; what is set to what it was is no change.
_RECORD = """() => {
  window.shown = {};
  const note = (tile) => {
    const states = (window.shown[tile.id] ??= []);
    if (states.at(-1) !== tile.dataset.state) states.push(tile.dataset.state);
  };
  for (const tile of document.querySelectorAll(".tile")) note(tile);
  new MutationObserver((records) => records.forEach(({ target }) => note(target))).observe(
    document.getElementById("sheet"), { subtree: true, attributes: true, attributeFilter: ["data-state"] });
}"""


def test_a_damaged_picture_fails_in_words_and_can_be_tried_again(
    studio: Studio, damaged: Path, small_photos: list[Path]
) -> None:
    studio.open("?chain=sepia")
    studio.stop_preview()
    studio.choose(damaged, small_photos[0])
    studio.develop()
    expect(studio.status).to_contain_text("1 of 2 developed · 1 failed")
    message = studio.page.locator(".message")
    expect(message).to_contain_text("The picture is damaged")
    expect(message).to_contain_text("Open it in another program and save it again")
    studio.button("Try again").click()
    expect(studio.status).to_contain_text("1 failed")
    job = next(job for job in studio.jobs() if job["name"] == "damaged.jpg")
    assert job["run"] == 2
    assert job["state"] == "failed"


def test_a_file_with_a_false_name_is_refused_in_words(studio: Studio, tmp_path: Path) -> None:
    lie = tmp_path / "lie.jpg"
    lie.write_text("I am not a picture at all, whatever my name says.")
    studio.open("?chain=sepia")
    studio.choose(lie)
    message = studio.page.locator(".message")
    expect(message).to_contain_text("Not a picture that Darkroom reads")
    expect(message).to_contain_text("Use a JPEG, PNG, WebP, AVIF, TIFF or GIF picture.")


def test_a_failed_upload_is_sent_anew(studio: Studio, small_photos: list[Path]) -> None:
    studio.open("?chain=sepia")
    studio.stop_preview()
    studio.page.route("**/v1/images", lambda route: route.fulfill(status=500, body="{}"), times=1)
    studio.choose(*small_photos[:2])
    studio.develop()
    studio.button("Retry failed").click()
    studio.wait_developed(2)


def test_an_overloaded_server_is_asked_again_when_it_says_so(studio: Studio, small_photos: list[Path]) -> None:
    problem = '{"code":"overloaded","detail":"1000 images are waiting."}'

    def refuse(route: Route) -> None:
        route.fulfill(status=503, body=problem, headers={"Retry-After": "1"})

    studio.open("?chain=sepia")
    studio.page.route("**/v1/images", refuse, times=1)
    studio.choose(small_photos[0])
    expect(studio.page.locator("#offline")).to_contain_text("Too much is waiting: 1000 images are waiting.")
    studio.wait_developed(1)
    expect(studio.page.locator("#offline")).to_be_hidden()


def test_a_lost_connection_is_waited_out_and_nothing_is_done_twice(
    page: Page, stack: Stack, photos: list[Path]
) -> None:
    origin = httpx.URL(stack.url)
    with Wire((origin.host, origin.port or 80)) as wire:
        studio = Studio(page, f"http://127.0.0.1:{wire.port}").open("?chain=blur:size=31,sepia,emboss")
        studio.stop_preview()
        studio.choose(*photos)
        page.evaluate(_RECORD)
        studio.develop()
        expect(
            page.locator(".tile:is([data-state=queued], [data-state=processing], [data-state=done])")
        ).not_to_have_count(0)
        wire.cut()
        expect(page.locator("#offline")).to_contain_text("No connection")
        wire.mend()
        studio.wait_developed(len(photos))
        expect(page.locator("#offline")).to_be_hidden()
        jobs = studio.jobs()
    # No tile went through a state twice, and none came back from its end.
    shown: dict[str, list[str]] = page.evaluate("window.shown")
    order = ["ready", "sending", "queued", "processing", "done"]
    assert shown
    for states in shown.values():
        assert states == [state for state in order if state in states], shown
    assert sorted(str(job["name"]) for job in jobs) == sorted(path.name for path in photos)


def _problem(status: int, code: str, detail: str, **headers: str) -> Callable[[Route], None]:
    """Refuses a request as the service does."""
    body = {"code": code, "detail": detail}
    return lambda route: route.fulfill(status=status, json=body, headers=headers)


def test_a_refused_stream_of_events_is_told_by_its_reason_and_waited_out(
    studio: Studio, small_photos: list[Path]
) -> None:
    studio.open("?chain=sepia,emboss")
    studio.stop_preview()
    refuse = _problem(503, "overloaded", "Too many streams.", **{"Retry-After": "1"})
    # The stream, and the question why it was refused.
    studio.page.route("**/v1/events?*", refuse, times=2)
    studio.choose(small_photos[0])
    studio.develop()
    expect(studio.page.locator("#offline")).to_contain_text("Too much is waiting: Too many streams.")
    studio.wait_developed(1)
    expect(studio.page.locator("#offline")).to_be_hidden()


def test_a_batch_that_is_gone_fails_its_photos_instead_of_waiting(studio: Studio, small_photos: list[Path]) -> None:
    studio.open("?chain=sepia,emboss")
    studio.stop_preview()
    gone = _problem(404, "not_found", "There is no such batch.")
    studio.page.route("**/v1/events?*", gone)
    studio.page.route("**/v1/jobs/*", gone)
    studio.choose(small_photos[0])
    studio.develop()
    expect(studio.page.locator(".message")).to_contain_text("Not found")
    expect(studio.page.locator("#offline")).to_be_hidden()


def test_a_stream_that_wants_a_key_leads_to_where_one_is_given(studio: Studio, small_photos: list[Path]) -> None:
    studio.open("?chain=sepia,emboss")
    studio.stop_preview()
    studio.page.route("**/v1/events?*", _problem(401, "unauthorized", "An API key is needed."))
    studio.choose(small_photos[0])
    with studio.page.expect_request(re.compile(r"/sign-in\?next=")):
        studio.develop()


def test_every_error_has_words_and_advice_of_its_own(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/queue")
    say = """async (codes) => {
      const { explain } = await import("/web/words.js");
      return codes.map((code) => explain({ code }));
    }"""
    codes = [error.code for error in every_error()] + [DarkroomError.code]
    for code, words in zip(codes, page.evaluate(say, codes), strict=True):
        assert words["title"] not in ("", "Something went wrong"), code
        assert words["advice"].endswith("."), code
        assert words["advice"] != "Try again.", code


def test_leaving_with_photos_that_were_not_sent_asks_first(studio: Studio, small_photos: list[Path]) -> None:
    page = studio.page
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    studio.open()
    studio.stop_preview()
    studio.choose(small_photos[0])
    expect(studio.tiles).to_have_count(1)
    page.get_by_role("link", name="Queue").click()
    page.wait_for_url("**/queue")
    assert asked == ["beforeunload"]
    studio.open("?chain=sepia")
    studio.choose(small_photos[0])
    studio.wait_developed(1)
    page.get_by_role("link", name="Queue").click()
    page.wait_for_url("**/queue")
    assert asked == ["beforeunload"]


def test_the_page_says_when_the_device_is_offline(studio: Studio, small_photos: list[Path]) -> None:
    studio.choose(small_photos[0])
    expect(studio.tiles).to_have_count(1)
    studio.page.context.set_offline(True)
    expect(studio.page.locator("#offline")).to_contain_text("This device is offline.")
    studio.page.context.set_offline(False)
    expect(studio.page.locator("#offline")).to_be_hidden()


def test_the_table_survives_a_reload(studio: Studio, small_photos: list[Path]) -> None:
    studio.open("?chain=sepia")
    studio.stop_preview()
    studio.choose(*small_photos[:5])
    studio.develop()
    studio.wait_developed(5)
    studio.reload()
    expect(studio.tiles).to_have_count(5)
    studio.wait_developed(5)
    expect(studio.compares).to_be_visible()
    # The originals are on the server, so the photos can be developed once more.
    studio.add("Negative")
    studio.develop()
    studio.wait_developed(5)
    assert {re.sub(r"\d+", "", str(job["name"])) for job in studio.jobs()} == {"photo-.jpg"}
