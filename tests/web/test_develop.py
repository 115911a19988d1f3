"""The main job on the page: pictures go in, developed ones come out."""

import io
import re
import zipfile
from pathlib import Path

import cv2
import httpx
import numpy as np
import numpy.typing as npt
from playwright.sync_api import Request, expect

from tests.support.stack import Stack
from tests.support.waiting import wait_until
from tests.web.studio import Studio

Pixels = npt.NDArray[np.uint8]


def _is_upload(request: Request) -> bool:
    return request.method == "POST" and "/v1/images" in request.url


def _pixels(data: bytes) -> Pixels:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8)


def test_dropped_photos_come_back_developed(studio: Studio, photos: list[Path]) -> None:
    studio.drop(*photos[:4])
    studio.add("Negative")
    studio.page.get_by_label("Format").select_option("PNG")
    studio.develop()
    studio.wait_developed(4)
    expect(studio.compares).to_be_visible()
    assert np.array_equal(_pixels(httpx.get(studio.result_url).content), 255 - _pixels(photos[0].read_bytes()))


def test_the_selected_photo_is_developed_while_its_chain_is_edited(studio: Studio, small_photos: list[Path]) -> None:
    studio.choose(*small_photos[:2])
    studio.add("Sepia")
    expect(studio.compares).to_be_visible()
    first = studio.result_url
    studio.add("Negative")
    expect(studio.page.locator(".layer.after img")).not_to_have_attribute("src", first.removeprefix(studio.url))
    expect(studio.status).to_contain_text("1 of 2 developed")
    expect(studio.button("Develop 1 photo")).to_be_enabled()


def test_a_bar_shows_how_far_the_batch_is_and_then_the_time_that_each_took(studio: Studio, photos: list[Path]) -> None:
    studio.open("?chain=sepia,blur:size=25")
    studio.stop_preview()
    studio.choose(*photos[:6])
    bar = studio.page.get_by_role("progressbar", name="Progress of all photos")
    expect(bar).to_be_hidden()
    studio.develop()
    expect(bar).to_be_visible()
    expect(bar).to_have_js_property("max", 6)
    studio.wait_developed(6)
    expect(bar).to_be_hidden()
    expect(studio.status).to_contain_text(re.compile(r" · [\d.]+ m?s each"))
    for tile in studio.tiles.all():
        expect(tile).to_have_attribute("aria-label", re.compile(r", done in [\d.]+ m?s$"))


def test_nothing_is_sent_while_the_preview_is_off(studio: Studio, small_photos: list[Path]) -> None:
    studio.stop_preview()
    sent: list[str] = []
    studio.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    studio.choose(small_photos[0])
    studio.add("Sepia")
    studio.add("Blur")
    assert sent == []
    studio.develop()
    studio.wait_developed(1)
    assert sent == [f"{studio.url}/v1/images"]


def test_an_original_is_sent_once_however_often_its_chain_changes(studio: Studio, small_photos: list[Path]) -> None:
    page = studio.page
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if _is_upload(request) else None)
    studio.choose(small_photos[6])
    studio.add("Sepia")
    expect(studio.compares).to_be_visible()
    for name in ("Negative", "Flip"):
        before = studio.result_url.removeprefix(studio.url)
        studio.add(name)
        expect(page.locator(".layer.after img")).not_to_have_attribute("src", before)
    studio.wait_developed(1)
    assert len(sent) >= 3
    assert [url for url in sent if "source=originals" not in url] == [f"{studio.url}/v1/images"]
    # The same pixels as of the whole file.
    whole = httpx.post(f"{studio.url}/v1/images?filters=sepia,negative,flip", content=small_photos[6].read_bytes())
    result = f"{studio.url}/v1/jobs/{whole.json()['jobs'][0]['id']}/result"
    wait_until(lambda: httpx.get(result).is_success)
    assert httpx.get(studio.result_url).content == httpx.get(result).content


def test_an_original_that_the_store_has_lost_is_sent_again(
    studio: Studio, stack: Stack, small_photos: list[Path]
) -> None:
    studio.choose(small_photos[8])
    studio.add("Sepia")
    studio.wait_developed(1)
    (job,) = studio.jobs()
    (stack.data_dir / "blobs" / str(job["source"])).unlink()
    studio.add("Negative")
    studio.wait_developed(1)


def test_a_photo_that_is_taken_off_while_it_waits_leaves_no_job_behind(studio: Studio, photos: list[Path]) -> None:
    studio.open("?chain=blur:size=99,blur:size=99&format=avif")
    studio.stop_preview()
    studio.choose(*photos[:4])
    studio.develop()
    gone = studio.page.get_by_role("option", name=photos[3].name)
    gone.hover()
    gone.locator(".tile-remove").click()
    expect(studio.tiles).to_have_count(3)
    studio.wait_developed(3)
    assert photos[3].name not in {job["name"] for job in studio.jobs() if job["state"] == "done"}


def test_every_state_is_said_in_words_on_the_tile(studio: Studio, small_photos: list[Path], damaged: Path) -> None:
    studio.open("?chain=sepia")
    studio.stop_preview()
    studio.page.route("**/v1/events?*", lambda route: route.abort())
    studio.choose(*small_photos[:2], damaged)
    studio.develop()
    badges = studio.page.locator(".tile .badge")
    expect(badges).to_have_text(["waiting"] * 3)
    studio.page.unroute("**/v1/events?*")
    expect(badges).to_have_text([re.compile(r"^[\d.]+ m?s$")] * 2 + ["failed"])


def test_two_hundred_photos_in_one_drop_stay_smooth(studio: Studio, small_photos: list[Path]) -> None:
    studio.open("?chain=sepia")
    studio.stop_preview()
    studio.drop_from_disk(*small_photos)
    expect(studio.tiles.first).to_be_visible()
    # Only what can be seen exists.
    assert studio.tiles.count() < 40
    expect(studio.tiles.first).to_have_attribute("aria-setsize", "200")
    studio.develop()
    studio.wait_developed(200)
    assert studio.page.locator("*").count() < 600
    jobs = studio.jobs()
    assert len(jobs) == 200
    assert len({job["batch"] for job in jobs}) == 1
    sheet = studio.page.get_by_role("listbox", name="Photos")
    sheet.press("End")
    last = studio.page.get_by_role("option", name=re.compile("photo-199"))
    expect(last).to_have_attribute("aria-selected", "true")
    expect(last).to_be_in_viewport()
    studio.button("Contact sheet").click()
    assert studio.tiles.count() < 80
    # From top to bottom: each row is there when it comes into sight, and goes when it has passed.
    sheet.press("Home")
    seen: set[str] = set()
    sheet.hover()
    while "200" not in seen:
        shown = studio.tiles.evaluate_all("(tiles) => tiles.map((tile) => tile.getAttribute('aria-posinset'))")
        assert len(shown) < 80
        seen |= set(shown)
        before = sheet.evaluate("(sheet) => sheet.scrollTop")
        studio.page.mouse.wheel(0, 350)
        studio.page.wait_for_function("(before) => document.getElementById('sheet').scrollTop > before", arg=before)
        studio.page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    assert seen == {str(number) for number in range(1, 201)}


def _archive(studio: Studio, label: str) -> zipfile.ZipFile:
    """What the button saves."""
    with studio.page.expect_download() as download:
        studio.button(label).click()
    archive = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert archive.testzip() is None
    return archive


def test_all_developed_pictures_come_in_one_zip(studio: Studio, small_photos: list[Path]) -> None:
    studio.open("?chain=grayscale")
    studio.stop_preview()
    studio.choose(*small_photos[:3], small_photos[0])
    studio.develop()
    studio.wait_developed(4)
    archive = _archive(studio, "Download 4 as zip")
    assert len(set(archive.namelist())) == 4
    assert _pixels(archive.read(archive.namelist()[0])).shape == (240, 320, 3)


def test_the_zip_holds_what_is_on_the_table_whatever_batch_it_came_with(
    studio: Studio, small_photos: list[Path]
) -> None:
    studio.open("?chain=grayscale")
    studio.choose(*small_photos[:4])
    # The preview was a batch of its own.
    expect(studio.compares).to_be_visible()
    studio.develop()
    studio.wait_developed(4)
    assert len({job["batch"] for job in studio.jobs()}) == 2
    sheet = studio.page.get_by_role("listbox", name="Photos")
    sheet.press("ArrowRight")
    sheet.press("Delete")
    archive = _archive(studio, "Download 3 as zip")
    assert archive.namelist() == [f"photo-{number}-grayscale.jpg" for number in ("000", "002", "003")]
    # The page has stayed as it was, its live updates too.
    studio.add("Negative")
    studio.develop()
    studio.wait_developed(3)


def test_a_zip_that_cannot_be_whole_is_refused_in_words(studio: Studio, small_photos: list[Path]) -> None:
    studio.open("?chain=grayscale,flip")
    studio.stop_preview()
    studio.choose(*small_photos[:2])
    studio.develop()
    studio.wait_developed(2)
    httpx.delete(f"{studio.url}/v1/jobs/{studio.jobs()[0]['id']}").raise_for_status()
    studio.button("Download 2 as zip").click()
    expect(studio.page.locator(".toast")).to_contain_text("Expired or deleted")
    expect(studio.tiles).to_have_count(2)


def test_one_picture_is_downloaded_under_a_telling_name(studio: Studio, small_photos: list[Path]) -> None:
    studio.open("?chain=sepia,blur&format=webp")
    studio.choose(small_photos[5])
    studio.wait_developed(1)
    with studio.page.expect_download() as download:
        studio.button("Download this photo").click()
    assert download.value.suggested_filename == "photo-005-sepia-blur.webp"
    assert Path(download.value.path()).read_bytes()[8:12] == b"WEBP"


def test_a_roll_can_be_cancelled(studio: Studio, photos: list[Path]) -> None:
    studio.open("?chain=blur:size=99,blur:size=99,blur:size=99&format=avif")
    studio.stop_preview()
    studio.choose(*photos)
    studio.develop()
    studio.button("Cancel").click()
    expect(studio.button("Cancel")).to_be_hidden()
    expect(studio.button(re.compile("^Develop [0-9]+ photos?$"))).to_be_enabled()
    assert studio.page.locator(".tile[data-state=cancelled]").count() > 0


def test_many_rolls_at_once_do_not_jam(studio: Studio, small_photos: list[Path]) -> None:
    # More rolls than a browser has connections: their uploads and events share them.
    studio.open("?chain=blur:size=15,emboss")
    studio.stop_preview()
    for start in range(0, 16, 2):
        studio.choose(*small_photos[start : start + 2])
        studio.button("Develop 2 photos").click()
    studio.wait_developed(16)
    assert len({job["batch"] for job in studio.jobs()}) == 8
