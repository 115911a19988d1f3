"""All filters: every module of this package is one, found when this package is first asked for them."""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError

from services.process.registry import REGISTERED, Filter, Parameters
from shared.catalogue import FilterDocument
from shared.errors import InvalidParameter, UnknownFilter
from shared.events import FilterSpec


@cache
def every_filter() -> dict[str, Filter]:
    """All filters by name, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    for name in names:
        importlib.import_module(f"{__name__}.{name}")
    return {name: REGISTERED[name] for name in names}


@cache
def documents() -> list[FilterDocument]:
    """What users see of the filters, with the JSON Schema of their parameters."""
    return [
        FilterDocument(known.name, known.summary, known.parameters.model_json_schema())
        for known in every_filter().values()
    ]


def read_chain(chain: Sequence[FilterSpec]) -> list[tuple[Filter, Parameters]]:
    """The filters of a chain with their parameters, checked and with defaults.

    Raises UnknownFilter and InvalidParameter, naming the filter, the parameter and what is allowed.
    """
    return [_read(spec) for spec in chain]


def canonical(chain: Sequence[FilterSpec]) -> list[dict[str, Any]]:
    """The same chain with every parameter written out, in a fixed order; raises like `read_chain`."""
    return [{"name": known.name, **parameters.model_dump(mode="json")} for known, parameters in read_chain(chain)]


def _read(spec: FilterSpec) -> tuple[Filter, Parameters]:
    name = spec.get("name")
    known = every_filter().get(name) if isinstance(name, str) else None
    if known is None:
        allowed = list(every_filter())
        raise UnknownFilter(
            f"There is no filter {name!r}; there are {', '.join(allowed)}.", filter=name, allowed=allowed
        )
    given = {key: value for key, value in spec.items() if key != "name"}
    try:
        return known, known.parameters.model_validate(given)
    except ValidationError as error:
        raise _explained(known, error) from error


def _explained(known: Filter, error: ValidationError) -> InvalidParameter:
    first = error.errors(include_url=False, include_context=False)[0]
    parameter = str(first["loc"][0]) if first["loc"] else ""
    schema = known.parameters.model_json_schema().get("properties", {})
    allowed = schema.get(parameter, sorted(schema))
    text = (
        f"there is no such parameter; there are {', '.join(sorted(schema)) or 'none'}"
        if first["type"] == "extra_forbidden"
        else first["msg"].removeprefix("Value error, ")
    )
    where = f"parameter {parameter}: " if parameter else ""
    return InvalidParameter(
        f"filter {known.name}: {where}{text}.", filter=known.name, parameter=parameter, allowed=allowed
    )
