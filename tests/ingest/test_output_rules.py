"""Ingest and process agree on what can be asked of a result, though neither imports the other."""

from itertools import product

import pytest

from services.ingest import parameters
from services.ingest.parameters import read_parameters
from services.process import output
from services.process.output import check_output
from shared.errors import InvalidParameter
from shared.events import Output


def test_both_know_the_same_values() -> None:
    for name in ("WRITTEN", "LOSSLESS", "ANIMATED", "SUBSAMPLINGS", "METADATA", "FRAMES"):
        assert set(getattr(parameters, name)) == set(getattr(output, name)), name


@pytest.mark.parametrize(
    ("name", "lossless", "frames"), list(product(("source", *parameters.WRITTEN), ("true", "false"), parameters.FRAMES))
)
def test_what_ingest_takes_process_takes(name: str, lossless: str, frames: str) -> None:
    wanted = Output(format=None if name == "source" else name, lossless=lossless == "true", frames=frames)
    pairs = [("format", name), ("lossless", lossless), ("frames", frames)]
    try:
        check_output(wanted)
    except InvalidParameter:
        with pytest.raises(InvalidParameter):
            read_parameters(pairs)
    else:
        assert read_parameters(pairs).output == wanted


#: What Chromium sends for a picture.
CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "rules", "wanted"),
    [
        (CHROMIUM, {}, "avif"),
        ("image/webp, */*", {}, "webp"),
        ("image/avif;q=0.3, image/webp;q=0.9", {}, "webp"),
        ("image/avif;q=0, IMAGE/WEBP", {}, "webp"),
        (CHROMIUM, {"lossless": "true"}, "webp"),
        (CHROMIUM, {"frames": "all"}, "avif"),
        ("*/*", {}, None),
        ("image/jpeg", {}, None),
        ("image/webp;q=much", {}, None),
        ("", {}, None),
    ],
)
def test_auto_is_the_smallest_format_that_the_sender_names(
    accept: str, rules: dict[str, str], wanted: str | None
) -> None:
    assert read_parameters([("format", "auto"), *rules.items()], accept=accept).output.format == wanted
