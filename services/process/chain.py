"""Runs a picture through a chain of filters."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

import numpy as np

from services.process.limits import Limits
from services.process.picture import Picture, Pixels
from services.process.registry import Filter, Kind, Parameters, Size, Table
from services.process.request import Step
from services.process.tones import apply_table

#: Pixels that a run of pointwise filters takes at a time: their samples stay in the second-level cache.
_CHUNK: Final = 128 * 1024

_Link = tuple[Filter, Parameters]
#: 1×N×3 or 1×N samples to as many pixels; may write over what it gets.
_Point = Callable[[Pixels], Pixels]


def run_chain(picture: Picture, chain: Sequence[_Link], limits: Limits, steps: list[Step] | None = None) -> Picture:
    """The picture after all filters; tone, colour and area filters leave alpha alone. The given one is used up.

    `steps` gets one step for each filter, the one that fails included; those that go over the picture together have the
    same times.
    Neighbouring tone and colour filters go over the picture once, together, in its own memory where that is large
    enough. Raises TooManyPixels before a filter would make too large a picture, InvalidParameter for a crop outside.
    """
    for pointwise, links in groupby(chain, key=lambda link: link[0].kind in (Kind.TONE, Kind.COLOUR)):
        together = list(links)
        for run in [together] if pointwise else [[link] for link in together]:
            start = time.time_ns()
            try:
                if pointwise:
                    picture.colour = _run_points(picture.colour, list(_points(iter(run))))
                else:
                    picture = _run_one(picture, *run[0], limits)
            finally:
                if steps is not None:
                    end = time.time_ns()
                    steps += [Step(known.name, start, end) for known, _ in run]
    return picture


def scaled_first(chain: Sequence[_Link], size: Size) -> tuple[Sequence[_Link], Size | None]:
    """Let the decoder scale where the chain begins with that: the chain for it, and the least size it needs."""
    if not chain:
        return chain, None
    first, parameters = chain[0]
    if first.settled is None or first.resized is None:
        return chain, None
    at_least = first.resized(parameters, size)
    if at_least[0] > size[0] or at_least[1] > size[1]:
        return chain, None
    return [(first, first.settled(parameters, size)), *chain[1:]], at_least


def _run_one(picture: Picture, known: Filter, parameters: Parameters, limits: Limits) -> Picture:
    if known.resized is not None:
        limits.check_pixels(*known.resized(parameters, (picture.width, picture.height)), step=known.name)
        if picture.alpha is not None:
            picture.alpha = known.apply(picture.alpha, parameters)
    picture.colour = known.apply(picture.colour, parameters)
    return picture


def _points(links: Iterator[_Link]) -> Iterator[_Point]:
    """One function for each colour filter, and one for all tone filters that follow each other."""
    for kind, same in groupby(links, key=lambda link: link[0].kind):
        if kind is Kind.TONE:
            yield _tone(tuple(same))
        else:
            for known, parameters in same:
                yield _colour(known, parameters)


@lru_cache(maxsize=1024)
def _tone(links: tuple[_Link, ...]) -> _Point:
    table: Table = np.arange(256, dtype=np.uint8)
    for known, parameters in links:
        table = known.apply(parameters)[table]

    def look_up(pixels: Pixels) -> Pixels:
        apply_table(pixels, table)
        return pixels

    return look_up


def _colour(known: Filter, parameters: Parameters) -> _Point:
    return lambda pixels: known.apply(pixels, parameters)


def _run_points(pixels: Pixels, points: list[_Point]) -> Pixels:
    if len(points) == 1:
        return points[0](pixels)
    height, width = pixels.shape[:2]
    flat = pixels.reshape(1, height * width, *pixels.shape[2:])
    target: Pixels | None = None
    for start in range(0, height * width, _CHUNK):
        given = made = flat[:, start : start + _CHUNK]
        for point in points:
            made = point(made)
        if made is given:
            continue
        if target is None:
            same = made.ndim == flat.ndim
            target = flat if same else np.empty((1, height * width, *made.shape[2:]), np.uint8)
        target[:, start : start + _CHUNK] = made
    return pixels if target is None else target.reshape(height, width, *target.shape[2:])
