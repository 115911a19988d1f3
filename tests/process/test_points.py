"""Pointwise filters that go over a picture together give what they give one after another."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.process import chain as chains
from services.process.chain import run_chain
from services.process.filters import read_chain
from services.process.limits import Limits
from services.process.picture import Picture
from services.process.tones import apply_table, recognise
from tests.process.pictures import noise

LINKS = st.one_of(
    st.just({"name": "negative"}),
    st.just({"name": "grayscale"}),
    st.builds(lambda amount: {"name": "brighten", "amount": amount}, st.integers(-255, 255)),
    st.builds(lambda percent: {"name": "contrast", "percent": percent}, st.integers(0, 1000)),
    st.builds(lambda percent: {"name": "sepia", "percent": percent}, st.sampled_from([100, 40])),
    st.builds(lambda percent: {"name": "saturation", "percent": percent}, st.integers(0, 1000)),
)


def run(pixels: np.ndarray, chain: list[dict[str, Any]]) -> np.ndarray:
    return run_chain(Picture(pixels.copy()), read_chain(chain), Limits()).colour


@settings(max_examples=60, deadline=None)
@given(st.lists(LINKS, min_size=2, max_size=6), st.sampled_from([1, 3]))
def test_a_chain_is_its_filters_one_after_another(chain: list[dict[str, Any]], channels: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chains, "_CHUNK", 100)
        pixels = noise(17, 31, channels)
        together = run(pixels, chain)
        for link in chain:
            pixels = run(pixels, [link])
        np.testing.assert_array_equal(together, pixels)


@settings(max_examples=200, deadline=None)
@given(st.integers(-40, 40), st.integers(1, 10), st.integers(-5000, 5000), st.integers(0, 255), st.integers(0, 255))
def test_a_table_that_is_a_line_is_computed_exactly(gain: int, divisor: int, offset: int, one: int, other: int) -> None:
    low, high = min(one, other), max(one, other)
    table = ((np.arange(256) * gain + offset) // divisor).clip(low, high).astype(np.uint8)
    samples = noise(16, 16, 1)
    expected = table[samples]
    apply_table(samples, table)
    np.testing.assert_array_equal(samples, expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_other_table_is_looked_up(seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 256, 256, dtype=np.uint8)
    for shape in ((16, 16, 1), (16, 17, 3)):
        samples = noise(*shape)
        expected = cv2.LUT(samples, table)
        apply_table(samples, table)
        np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize(
    "chain", [["negative"], ["brighten"], ["contrast"], ["brighten", "contrast", "negative"], ["negative", "negative"]]
)
def test_the_tone_filters_and_what_they_make_together_are_lines(chain: list[str]) -> None:
    table = np.arange(256, dtype=np.uint8)
    for known, parameters in read_chain([{"name": name} for name in chain]):
        table = known.apply(parameters)[table]
    assert recognise(table.tobytes()) is not None
