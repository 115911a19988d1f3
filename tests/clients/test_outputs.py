"""Where results go: templates, folders and files, and never over another file by accident."""

from pathlib import Path

import pytest

from clients.inputs import Input
from clients.multipart import Image
from clients.outputs import BadOutput, OutputExists, chain_in_name, plan, save
from shared.chain import parse_chain


def given(name: str, media_type: str = "image/jpeg", folder: str = ".") -> Input:
    return Input(Image(Path(folder, name), name), media_type, Path(folder))


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("out", "out/sub/cat-sepia.jpg"),
        ("out/", "out/sub/cat-sepia.jpg"),
        ("{stem}-{chain}.{ext}", "cat-sepia.jpg"),
        ("{dir}/{index:03}.{ext}", "sub/001.jpg"),
        ("x/{stem}", "x/cat"),
        ("one.png", "one.png"),
    ],
)
def test_an_output_is_a_folder_a_template_or_a_file(output: str, expected: str) -> None:
    assert plan([given("cat.jpg", folder="sub")], output, "sepia", None).paths == [Path(expected)]


@pytest.mark.parametrize(
    ("media_type", "wanted", "suffix"),
    [
        ("image/webp", None, "webp"),
        ("image/tiff", None, "png"),
        ("image/gif", None, "png"),
        ("image/gif", "jpeg", "jpg"),
    ],
)
def test_the_suffix_is_that_of_the_format_that_is_written(media_type: str, wanted: str | None, suffix: str) -> None:
    assert plan([given("cat.x", media_type)], "{ext}", "", wanted).paths == [Path(suffix)]


def test_the_suffix_of_a_file_chooses_the_format() -> None:
    assert plan([given("cat.jpg")], "cat.webp", "", None).format == "webp"
    with pytest.raises(BadOutput, match=r"does not go with a file that ends in \.webp"):
        plan([given("cat.jpg")], "cat.webp", "", "png")


def test_an_existing_folder_with_a_suffix_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "2026.png"
    folder.mkdir()
    assert plan([given("cat.jpg")], str(folder), "sepia", None).paths == [folder / "cat-sepia.jpg"]


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("one.png", "one file, but there are 2"),
        ("-", "one picture"),
        ("out/{ext}", "would both become"),
        ("{nonsense}", "knows {stem}"),
        ("{stem", "no template"),
        ("{}", "knows {stem}"),
        ("{stem.__class__}", "knows {stem}"),
        ("out.tiff", "results are jpeg, png, webp or avif"),
        ("new/out.GIF", "a slash"),
    ],
)
def test_an_output_that_cannot_be_meant_is_refused(output: str, says: str) -> None:
    with pytest.raises(BadOutput, match=says):
        plan([given("cat.jpg"), given("dog.jpg")], output, "sepia", None)


def test_two_pictures_of_one_name_keep_their_folders() -> None:
    paths = plan([given("cat.jpg", folder="a"), given("cat.jpg", folder="b")], "out", "sepia", None).paths
    assert paths == [Path("out/a/cat-sepia.jpg"), Path("out/b/cat-sepia.jpg")]


@pytest.mark.parametrize(
    ("preset", "chain", "name"),
    [
        (None, "", "plain"),
        (None, "sepia,blur:size=9", "sepia+blur_size=9"),
        ("noir", "", "noir"),
        ("noir", "flip", "noir+flip"),
        (None, "crop:box=../../x y", "crop_box=....xy"),
    ],
)
def test_a_chain_in_a_file_name_holds_only_safe_letters(preset: str | None, chain: str, name: str) -> None:
    assert chain_in_name(preset, parse_chain(chain)) == name


def test_a_long_chain_is_cut_and_stays_unlike_others() -> None:
    names = {
        chain_in_name(None, parse_chain(",".join(["brighten:amount=10"] * 20 + [last]))) for last in ("flip", "edge")
    }
    assert len(names) == 2
    assert all(len(name) <= 80 for name in names)


def test_a_file_that_is_the_same_is_left_and_another_one_is_kept(tmp_path: Path) -> None:
    part, target = tmp_path / "part", tmp_path / "new" / "target"
    part.write_bytes(b"new")
    assert save(part, target, force=False)
    assert not save(part, target, force=False)
    target.write_bytes(b"old")
    with pytest.raises(OutputExists, match="--force"):
        save(part, target, force=False)
    assert target.read_bytes() == b"old"
    assert save(part, target, force=True)
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["target"]
