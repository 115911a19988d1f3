"""`darkroom develop` runs the engine here and gives what the service gives."""

from collections.abc import Callable
from pathlib import Path

from tests.clients.command import Command

Picture = Callable[..., Path]


def test_its_pixels_are_those_of_the_service(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.jpg", size=64)
    for run, target in (("develop", "here.jpg"), ("submit", "there.jpg")):
        assert command(run, "cat.jpg", "-f", "sepia,blur:size=9", "-o", target).code == 0
    assert (command.folder / "here.jpg").read_bytes() == (command.folder / "there.jpg").read_bytes()


def test_it_needs_no_service(lonely: Command, picture: Picture) -> None:
    picture(lonely.folder / "in" / "cat.png")
    whole = picture(lonely.folder / "in" / "dog.png", seed=1)
    (lonely.folder / "cut.png").write_bytes(whole.read_bytes()[:1500])
    outcome = lonely("develop", "in", "cut.png", "-f", "negative", "--json")
    assert outcome.code == 1
    states = {document["file"]: (document["state"], document["output"]) for document in outcome.documents}
    assert states == {
        "in/cat.png": ("done", "cat-negative.png"),
        "in/dog.png": ("done", "dog-negative.png"),
        "cut.png": ("failed", None),
    }


def test_one_picture_goes_through_a_pipe(lonely: Command, picture: Picture) -> None:
    data = picture(lonely.folder / "cat.png", size=64).read_bytes()
    outcome = lonely("develop", "-", "-f", "resize:width=32", "--format", "webp", stdin=data)
    assert outcome.code == 0
    assert outcome.output[8:12] == b"WEBP"


def test_a_chain_that_cannot_be_is_wrong_usage(lonely: Command, picture: Picture) -> None:
    picture(lonely.folder / "cat.png")
    outcome = lonely("develop", "cat.png", "-f", "flip,blur:size=4")
    assert (outcome.code, outcome.output, "Traceback" in outcome.errors) == (2, b"", False)


def test_a_preset_that_is_none_is_guessed_at(lonely: Command, picture: Picture) -> None:
    picture(lonely.folder / "cat.png")
    outcome = lonely("develop", "cat.png", "--preset", "noirr")
    assert outcome.code == 2
    assert "did you mean noir?" in outcome.errors
    assert "filters --presets'" in outcome.errors
