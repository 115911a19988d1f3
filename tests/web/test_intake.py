"""Ways in: choose, drop, paste."""

import shutil
from pathlib import Path

from playwright.sync_api import expect

from tests.web.studio import Studio


def test_chosen_photos_show_as_thumbnails_at_once(studio: Studio, small_photos: list[Path]) -> None:
    studio.choose(*small_photos[:3])
    expect(studio.tiles).to_have_count(3)
    expect(studio.page.locator(".tile.has-picture")).to_have_count(3)
    expect(studio.status).to_have_text("3 photos Choose a look or add a filter.")


def test_photos_can_be_dropped_anywhere(studio: Studio, small_photos: list[Path]) -> None:
    studio.drop(*small_photos[:2])
    expect(studio.tiles).to_have_count(2)


def test_a_dropped_folder_brings_all_pictures_in_it(studio: Studio, small_photos: list[Path], tmp_path: Path) -> None:
    inner = tmp_path / "holiday" / "evening"
    inner.mkdir(parents=True)
    for photo, folder in zip(small_photos, (inner.parent, inner.parent, inner), strict=False):
        shutil.copy(photo, folder)
    (inner / "note.txt").write_text("not a picture")
    studio.drop_from_disk(inner.parent, small_photos[5])
    expect(studio.tiles).to_have_count(4)
    expect(studio.page.locator(".toast")).to_contain_text("1 file left out")


def test_a_picture_can_be_pasted(studio: Studio, small_photos: list[Path]) -> None:
    studio.paste(small_photos[0])
    expect(studio.tiles).to_have_count(1)


def test_files_that_are_no_pictures_are_left_out_and_it_is_said(
    studio: Studio, small_photos: list[Path], tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("not a picture")
    studio.drop(small_photos[0], note)
    expect(studio.tiles).to_have_count(1)
    expect(studio.page.locator(".toast")).to_contain_text("1 file left out: only pictures can be developed.")


def test_more_photos_join_those_on_the_table(studio: Studio, small_photos: list[Path]) -> None:
    studio.choose(*small_photos[:2])
    studio.choose(small_photos[2])
    expect(studio.tiles).to_have_count(3)


def test_a_photo_is_taken_off_the_table_by_keys_and_by_mouse(studio: Studio, small_photos: list[Path]) -> None:
    page = studio.page
    studio.choose(*small_photos[:5])
    page.get_by_role("listbox", name="Photos").press("Delete")
    expect(studio.tiles).to_have_count(4)
    expect(page.get_by_role("heading", name="photo-001.jpg")).to_be_visible()
    page.get_by_role("listbox", name="Photos").press("Backspace")
    expect(page.get_by_role("heading", name="photo-002.jpg")).to_be_visible()
    # The cross of another one than the selected.
    tile = page.get_by_role("option", name="photo-004.jpg")
    tile.hover()
    tile.locator(".tile-remove").click()
    expect(studio.tiles).to_have_count(2)
    expect(page.get_by_role("heading", name="photo-002.jpg")).to_be_visible()
    studio.button("Remove this photo").click()
    studio.button("Remove this photo").click()
    expect(studio.tiles).to_have_count(0)
    expect(studio.button("Choose photos")).to_be_focused()
