"""What a command line names: files, folders, patterns; pictures are told by their bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clients.inputs import Input, NothingFound, Refused, find, media_type_of

Picture = Callable[..., Path]


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"II*\0", "image/tiff"),
        (b"MM\0+", "image/tiff"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "image/avif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "image/avif"),
        (b"\0\0\0\x1cftypmp42\0\0\0\0", None),
        (b"RIFF\x10\0\0\0WAVE", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_a_media_type_is_told_by_the_first_bytes(head: bytes, media_type: str | None) -> None:
    assert media_type_of(head) == media_type


def test_a_folder_gives_its_pictures_sorted_with_those_below_it(tmp_path: Path, picture: Picture) -> None:
    for name in ("b.png", "a.jpg", "sub/c.webp", ".hidden/d.png", ".e.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "disguised.txt").write_bytes((tmp_path / "b.png").read_bytes())
    inputs, refused = find([str(tmp_path)])
    assert [Path(one.shown).name for one in inputs] == ["a.jpg", "b.png", "disguised.txt", "c.webp"]
    assert [str(one.folder) for one in inputs] == [".", ".", ".", "sub"]
    assert refused == []


def test_a_pattern_takes_only_pictures(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "deep" / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    inputs, refused = find([str(tmp_path / "**" / "*.png")])
    assert [Path(one.shown).name for one in inputs] == ["a.png"]
    assert refused == []


def test_a_picture_that_is_named_twice_is_taken_once(tmp_path: Path, picture: Picture) -> None:
    path = picture(tmp_path / "a.png")
    inputs, _ = find([str(path), str(tmp_path), str(path)])
    assert len(inputs) == 1


def test_a_file_named_by_itself_that_is_no_picture_is_refused(tmp_path: Path, picture: Picture) -> None:
    good = picture(tmp_path / "a.png")
    bad, empty = tmp_path / "b.png", tmp_path / "c.png"
    bad.write_bytes(b"no picture")
    empty.touch()
    inputs, refused = find([str(good), str(bad), str(empty)])
    assert [type(one) for one in (*inputs, *refused)] == [Input, Refused, Refused]
    assert refused[1].message == "is empty."


@pytest.mark.parametrize("name", ["missing.png", "missing/*.png"])
def test_a_name_of_nothing_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(NothingFound, match="no file or folder"):
        find([str(tmp_path / name)])


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NothingFound, match="no picture"):
        find([str(tmp_path)])
