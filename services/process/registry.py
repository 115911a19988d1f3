"""How a filter is declared.

A filter is one file in `services/process/filters/`: a model of its parameters and one function with one of the four
decorators here. Its name is the file's name, its summary the first line of the model's docstring.

- `tone`: the same table for every colour sample; the function returns the table (256 uint8).
- `colour`: each output pixel depends on one input pixel; the function gets and returns colour planes; it
  may write over those it gets, which are C-contiguous, and return them.
- `area`: each output pixel depends on its neighbourhood; likewise.
- `geometry`: moves pixels; called for the colour planes and for alpha. It may come with a function that tells the
  size of its result, so that a result that is too large is refused before it is made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from services.process.picture import Pixels


class Parameters(BaseModel):
    """Base of all parameter models: frozen, strict about types, no unknown members, no NaN or infinity."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, given: object) -> object:
        """JSON Schema counts 9.0 as an integer, so it is one here too."""
        if not isinstance(given, dict):
            return given
        return {
            key: int(value) if isinstance(value, float) and value.is_integer() else value
            for key, value in given.items()
        }


class Kind(Enum):
    TONE = "tone"
    COLOUR = "colour"
    AREA = "area"
    GEOMETRY = "geometry"


#: Width and height in pixels.
Size = tuple[int, int]
Table = NDArray[np.uint8]
_P = TypeVar("_P", bound=Parameters)


@dataclass(frozen=True, slots=True)
class Filter:
    """One registered filter. `apply` is the declared function, `resized` the size of its result.

    `settled` gives parameters that make the same picture from one that was scaled down on its way in.
    """

    name: str
    summary: str
    kind: Kind
    parameters: type[Parameters]
    apply: Callable[..., Any]
    resized: Callable[[Any, Size], Size] | None = None
    settled: Callable[[Any, Size], Parameters] | None = None


REGISTERED: dict[str, Filter] = {}


def tone(model: type[_P]) -> Callable[[Callable[[_P], Table]], Callable[[_P], Table]]:
    """Declare a function from parameters to a table of 256 uint8."""

    def declare(function: Callable[[_P], Table]) -> Callable[[_P], Table]:
        _register(Kind.TONE, model, function)
        return function

    return declare


def colour(model: type[_P]) -> Callable[[Callable[[Pixels, _P], Pixels]], Callable[[Pixels, _P], Pixels]]:
    """Declare a function from colour planes to colour planes that looks at single pixels."""
    return _on_pixels(Kind.COLOUR, model)


def area(model: type[_P]) -> Callable[[Callable[[Pixels, _P], Pixels]], Callable[[Pixels, _P], Pixels]]:
    """Declare a function from colour planes to colour planes that looks at neighbourhoods."""
    return _on_pixels(Kind.AREA, model)


def geometry(
    model: type[_P], *, resized: Callable[[_P, Size], Size], settled: Callable[[_P, Size], _P] | None = None
) -> Callable[[Callable[[Pixels, _P], Pixels]], Callable[[Pixels, _P], Pixels]]:
    """Declare a function that moves pixels; `resized` tells the size of its result from the size it gets.

    `resized` raises InvalidParameter where the parameters do not fit a picture of this size. A filter that only
    scales gives `settled`, its parameters with the size of the result written out; a decoder may then scale first.
    """
    return _on_pixels(Kind.GEOMETRY, model, resized, settled)


def _on_pixels(
    kind: Kind,
    model: type[_P],
    resized: Callable[[_P, Size], Size] | None = None,
    settled: Callable[[_P, Size], _P] | None = None,
) -> Callable[[Callable[[Pixels, _P], Pixels]], Callable[[Pixels, _P], Pixels]]:
    def declare(function: Callable[[Pixels, _P], Pixels]) -> Callable[[Pixels, _P], Pixels]:
        _register(kind, model, function, resized, settled)
        return function

    return declare


def _register(
    kind: Kind,
    model: type[Parameters],
    function: Callable[..., Any],
    resized: Callable[[Any, Size], Size] | None = None,
    settled: Callable[[Any, Size], Parameters] | None = None,
) -> None:
    name = function.__module__.rsplit(".", 1)[-1]
    if name in REGISTERED and REGISTERED[name].apply.__code__.co_filename != function.__code__.co_filename:
        raise ValueError(f"two filters are called {name!r}")
    summary = cast("str", model.__doc__).strip().splitlines()[0]
    REGISTERED[name] = Filter(name, summary, kind, model, function, resized, settled)
