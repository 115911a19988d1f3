"""`darkroom submit` with addresses: the service fetches the pictures, from the hosts that it lists."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from clients.api import Client
from clients.errors import WrongUsage
from clients.inputs import find
from clients.outputs import BadOutput, plan
from tests.clients.command import Command
from tests.support.site import Site

Picture = Callable[..., Path]


def test_a_picture_is_fetched_developed_and_named_after_its_address(
    command: Command, site: Site, picture: Picture
) -> None:
    source = picture(command.folder / "there" / "cat.png", seed=71)
    site.pages["/holiday/my%20cat.png?size=2"] = source.read_bytes()
    picture(command.folder / "dog.png", seed=72)
    address = f"{site.url}/holiday/my%20cat.png?size=2"
    outcome = command("submit", address, "dog.png", "-f", "negative", "-o", "out", "--json")
    assert outcome.code == 0, outcome.errors
    assert {document["file"]: document["output"] for document in outcome.documents} == {
        address: "out/my cat-negative.png",
        "dog.png": "out/dog-negative.png",
    }
    developed = cv2.imread(str(command.folder / "out" / "my cat-negative.png"))
    assert np.array_equal(developed, 255 - cv2.imread(str(source)))


def test_the_result_is_what_its_name_says_whatever_was_sent(command: Command, site: Site, picture: Picture) -> None:
    site.pages["/cat.jpg"] = picture(command.folder / "cat.png", seed=73).read_bytes()
    assert command("submit", f"{site.url}/cat.jpg", "-f", "sepia", "-o", "out").code == 0
    assert (command.folder / "out" / "cat-sepia.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_what_is_not_fetched_fails_alone_with_its_reason(command: Command, site: Site, picture: Picture) -> None:
    picture(command.folder / "dog.png", seed=74)
    addresses = [f"{site.url}/none.png", "https://elsewhere.example/cat.png"]
    outcome = command("submit", *addresses, "dog.png", "-f", "flip", "--json")
    assert outcome.code == 1
    found = {document["file"]: document for document in outcome.documents}
    assert found["dog.png"]["state"] == "done"
    assert found[addresses[0]]["error"]["code"] == "source_not_found"
    assert "DARKROOM_FETCH_HOSTS" in found[addresses[1]]["error"]["message"]


def test_only_submit_takes_addresses(command: Command) -> None:
    outcome = command("develop", "https://images.example/cat.png", "-f", "flip")
    assert outcome.code == 2
    assert "darkroom submit" in outcome.errors
    with pytest.raises(WrongUsage):
        find(["http://images.example/cat.png"])


@pytest.mark.parametrize("path", ["/", "/..", "/%2e%2e", "/a/%00", "/images/7"])
def test_an_address_without_a_suffix_needs_a_format(path: str) -> None:
    inputs, _ = find([f"https://images.example{path}"], fetched=True)
    with pytest.raises(BadOutput, match="--format"):
        plan(inputs, "out", "flip", None)
    (target,) = plan(inputs, "out", "flip", "webp").paths
    assert target in (Path("out/image-flip.webp"), Path("out/7-flip.webp"))


def test_an_address_without_a_scheme_is_plain_http() -> None:
    with Client("localhost:8080/") as client:
        assert client.url == "http://localhost:8080"
