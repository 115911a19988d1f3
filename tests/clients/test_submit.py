"""`darkroom submit` against the running product, in a pipe as scripts use it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from clients.api import Client
from tests.clients.command import Command
from tests.support.stack import Stack

Picture = Callable[..., Path]


def test_a_folder_of_photos_comes_back_developed(command: Command, photos: list[Path]) -> None:
    (command.folder / "in").mkdir()
    taken = [Path(shutil.copy(photo, command.folder / "in")) for photo in photos[:4]]
    outcome = command("submit", "in", "--filter", "negative", "--format", "png", "--output", "out")
    assert (outcome.code, outcome.errors) == (0, "")
    assert len(outcome.lines) == len(taken)
    for photo in taken:
        developed = cv2.imread(str(command.folder / "out" / f"{photo.stem}-negative.png"))
        assert np.array_equal(developed, 255 - cv2.imread(str(photo)))


def test_filters_are_run_in_their_order(command: Command, picture: Picture) -> None:
    source = picture(command.folder / "cat.png")
    assert command("submit", source, "-f", "negative,grayscale", "-f", "flip", "-o", "a.png").code == 0
    expected = cv2.flip(cv2.cvtColor(255 - cv2.imread(str(source)), cv2.COLOR_BGR2GRAY), 1)
    assert np.array_equal(cv2.imread(str(command.folder / "a.png"), cv2.IMREAD_GRAYSCALE), expected)


def test_json_is_one_document_per_picture(command: Command, picture: Picture) -> None:
    picture(command.folder / "in" / "cat.png")
    (command.folder / "fake.png").write_bytes(b"no picture")
    outcome = command("submit", "in", "fake.png", "-f", "sepia", "-o", "out", "--json")
    assert outcome.code == 1
    bad, good = sorted(outcome.documents, key=lambda document: document["file"])
    assert list(good) == ["file", "state", "id", "batch", "output", "error", "job"]
    assert (good["file"], good["state"], good["output"]) == ("in/cat.png", "done", "out/cat-sepia.png")
    assert good["job"]["id"] == good["id"]
    assert (bad["state"], bad["id"], bad["error"]["code"]) == ("failed", None, "unsupported_media")


def test_a_damaged_picture_fails_and_its_neighbours_are_done(command: Command, picture: Picture) -> None:
    whole = picture(command.folder / "whole.png", size=64)
    (command.folder / "cut.png").write_bytes(whole.read_bytes()[:2000])
    (command.folder / "headless.png").write_bytes(whole.read_bytes()[:10])
    outcome = command("submit", "cut.png", "headless.png", "whole.png", "-f", "flip", "--json")
    assert outcome.code == 1
    states = {document["file"]: document["state"] for document in outcome.documents}
    assert states == {"cut.png": "failed", "headless.png": "failed", "whole.png": "done"}
    codes = {document["file"]: document["error"] and document["error"]["code"] for document in outcome.documents}
    assert codes == {"cut.png": "corrupt_image", "headless.png": "corrupt_image", "whole.png": None}


def test_without_waiting_the_jobs_are_told_and_go_on(command: Command, picture: Picture, stack: Stack) -> None:
    picture(command.folder / "cat.png", seed=3)
    outcome = command("submit", "cat.png", "--no-wait", "--json")
    assert outcome.code == 0
    assert outcome.documents[0]["state"] == "queued"
    with Client(stack.url) as client:
        assert client.wait(outcome.documents[0]["id"], within=30).state == "done"


def test_one_picture_goes_through_a_pipe(command: Command, picture: Picture) -> None:
    data = picture(command.folder / "cat.png").read_bytes()
    outcome = command("submit", "-", "-f", "negative", stdin=data)
    assert outcome.code == 0
    developed = cv2.imdecode(np.frombuffer(outcome.output, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(developed, 255 - cv2.imread(str(command.folder / "cat.png")))
    assert outcome.errors.startswith("done")


def test_a_preset_is_a_chain_with_a_name(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    assert command("submit", "cat.png", "--preset", "noir", "-o", ".").code == 0
    assert (command.folder / "cat-noir.png").exists()
    outcome = command("submit", "cat.png", "--preset", "nonsense")
    assert (outcome.code, "there are noir" in outcome.errors) == (2, True)


def test_a_filter_that_is_not_there_is_answered_with_what_was_meant(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    misspelt, preset = (command("submit", "cat.png", "-f", name) for name in ("sepai", "noir"))
    assert (misspelt.code, "'sepai' (did you mean sepia?); there are blur" in misspelt.errors) == (2, True)
    assert (preset.code, "'noir' (but a preset: --preset noir); there are" in preset.errors) == (2, True)


def test_a_drop_of_200_files_is_one_batch(command: Command, picture: Picture, stack: Stack) -> None:
    for index in range(200):
        picture(command.folder / "in" / f"{index:03}.png", seed=index, size=8)
    outcome = command("submit", "in", "-f", "grayscale", "--json", timeout=120)
    assert outcome.code == 0
    assert len(outcome.documents) == 200
    (batch,) = {document["job"]["batch"] for document in outcome.documents}
    with Client(stack.url) as client:
        assert {job.id for job in client.jobs(batch=batch)} == {document["id"] for document in outcome.documents}
    # Several requests, and each said how many there will be in all.
    told = httpx.get(f"{stack.url}/v1/batches/{batch}").json()
    assert (told["expected"], told["total"], told["complete"]) == (200, 200, True)


def test_running_it_again_changes_nothing_and_keeps_other_files(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    run = ("submit", "cat.png", "-f", "sepia", "-o", "out.png")
    assert [command(*run).code for _ in range(2)] == [0, 0]
    developed = (command.folder / "out.png").read_bytes()
    (command.folder / "out.png").write_bytes(b"precious")
    outcome = command(*run)
    assert (outcome.code, "--force" in outcome.text) == (1, True)
    assert (command.folder / "out.png").read_bytes() == b"precious"
    assert command(*run, "--force").code == 0
    assert (command.folder / "out.png").read_bytes() == developed


def test_a_chain_that_cannot_be_is_told_before_anything_is_sent(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    unknown = command("submit", "cat.png", "-f", "nonsense")
    assert (unknown.code, "there are blur" in unknown.errors) == (2, True)
    wrong = command("submit", "cat.png", "-f", "blur:size=4")
    assert (wrong.code, "blur" in wrong.errors) == (2, True)
    assert unknown.output == wrong.output == b""


def test_wrong_usage_is_told_in_words(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    for arguments, says in (
        (("missing.png",), "no file or folder"),
        (("cat.png", "--no-wait", "-o", "x.png"), "--no-wait"),
        (("cat.png", "--format", "gif"), "jpeg, png, webp, avif"),
        (("cat.png", "-o", "{nonsense}"), "{nonsense}"),
        (("cat.png", "--json", "-o", "-"), "standard output"),
    ):
        outcome = command("submit", *arguments)
        assert (outcome.code, says in outcome.errors, "Traceback" in outcome.errors) == (2, True, False)


def test_where_no_service_runs_it_is_told_how_to_start_it(lonely: Command, picture: Picture) -> None:
    picture(lonely.folder / "cat.png")
    for arguments in (("submit", "cat.png"), ("status",), ("filters",), ("dead", "list")):
        outcome = lonely(*arguments)
        assert (outcome.code, "darkroom up" in outcome.errors, "Traceback" in outcome.errors) == (1, True, False)


def test_a_reader_that_leaves_ends_it_quietly(command: Command, picture: Picture) -> None:
    for index in range(20):
        picture(command.folder / "in" / f"{index}.png", seed=index)
    process = command.start("submit", "in")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) in (0, 1)
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()


def test_downloads_leave_nothing_beside_them(command: Command, picture: Picture) -> None:
    picture(command.folder / "in" / "cat.png")
    command("submit", "in", "-o", "out")
    assert [path.name for path in (command.folder / "out").iterdir()] == ["cat-plain.png"]


@pytest.mark.parametrize("arguments", [("bad.jpg",), ("bad.jpg", "-o", "out/"), ("-",), ("-", "--json")])
@pytest.mark.parametrize("data", [b"not a picture", b""], ids=["not a picture", "nothing"])
def test_where_nothing_is_a_picture_that_is_told_and_over(
    command: Command, arguments: tuple[str, ...], data: bytes
) -> None:
    (command.folder / "bad.jpg").write_bytes(data)
    outcome = command("submit", *arguments, "-f", "sepia", stdin=data, timeout=30)
    assert outcome.code == 1
    assert "failed" in outcome.text + outcome.errors
