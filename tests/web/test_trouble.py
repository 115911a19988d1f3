"""What goes wrong is said in words and can be mended; what passes is waited out."""

import re
from pathlib import Path

import httpx
from playwright.sync_api import Page, Route, expect

from tests.support.stack import Stack
from tests.web.studio import Studio
from tests.web.wire import Wire


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
    assert sorted(str(job["name"]) for job in jobs) == sorted(path.name for path in photos)


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
