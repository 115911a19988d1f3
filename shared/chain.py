"""The two written forms of a chain of filters.

JSON: `[{"name": "sepia"}, {"name": "blur", "size": 9}]`. Short: `sepia,blur:size=9,resize:width=800:height=600`.
Whether a filter exists and a parameter fits is checked against the catalogue, not here.
"""

import re
from typing import Any, Final

import msgspec

from shared.errors import InvalidParameter, UnknownFilter
from shared.events import FilterSpec

#: Filters in one chain; more is a mistake or an attack.
LONGEST: Final = 32

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def parse_chain(text: str) -> list[FilterSpec]:
    """Read a chain in either form; an empty text is the empty chain.

    Raises InvalidParameter for what is neither form or too long, UnknownFilter for a name no filter can have.
    """
    text = text.strip()
    chain = _from_json(text) if text.startswith(("[", "{")) else _from_short(text)
    if len(chain) > LONGEST:
        raise InvalidParameter(f"A chain has at most {LONGEST} filters, this one has {len(chain)}.", allowed=LONGEST)
    return chain


def short_form(chain: list[FilterSpec]) -> str:
    """The short form of a chain, as a person would type it."""
    return ",".join(
        ":".join([spec["name"], *(f"{key}={_written(value)}" for key, value in spec.items() if key != "name")])
        for spec in chain
    )


def _from_json(text: str) -> list[FilterSpec]:
    try:
        chain = msgspec.json.decode(text, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidParameter(f"filters is not a JSON array of objects: {error}.", parameter="filters") from error
    for spec in chain:
        _check_name(spec.get("name"))
    return chain


def _from_short(text: str) -> list[FilterSpec]:
    return [_one(part.strip()) for part in text.split(",")] if text else []


def _one(text: str) -> FilterSpec:
    name, *assignments = text.split(":")
    spec: FilterSpec = {"name": _check_name(name.strip())}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip() or key.strip() == "name":
            raise InvalidParameter(
                f"filter {name}: '{assignment}' is not parameter=value.", filter=name, parameter=key.strip()
            )
        spec[key.strip()] = _read(value.strip())
    return spec


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        # `crop:x=1,y=2`: the comma began another filter.
        hint = " Parameters follow their filter behind colons: crop:x=1:y=2." if "=" in str(name) else ""
        raise UnknownFilter(f"{name!r} is not the name of a filter.{hint}", filter=str(name))
    return name


def _read(value: str) -> object:
    """Numbers, true, false and null as JSON reads them, anything else as text."""
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def _written(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
