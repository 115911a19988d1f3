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
    ("name", "lossless", "frames"), list(product(parameters.FORMATS, ("true", "false"), parameters.FRAMES))
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
