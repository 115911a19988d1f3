"""Values made at random: of a JSON Schema, and of a msgspec model. Both know what our event models use, no more."""

import types
import typing
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

Schema = dict[str, Any]
Values = st.SearchStrategy[Any]

#: What fits into 64 bits; msgspec reads larger ones too, Redis's scripts do not.
_INTEGERS: Final = st.integers(-(2**63), 2**63 - 1)
_TEXT: Final = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
_NUMBERS: Final = st.floats(allow_nan=False, allow_infinity=False)
_ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | _INTEGERS | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=3,
)
_SCALARS: Final[dict[object, Values]] = {
    "string": _TEXT,
    "integer": _INTEGERS,
    "number": _NUMBERS,
    "boolean": st.booleans(),
    "null": st.none(),
    str: _TEXT,
    int: _INTEGERS,
    float: _NUMBERS,
    bool: st.booleans(),
    types.NoneType: st.none(),
    Any: _ANYTHING,
}


def of_schema(schema: Schema, components: dict[str, Schema]) -> Values:
    """Documents that a schema allows; `components` is where its references lead. Raises KeyError for a new keyword."""
    if "$ref" in schema:
        return of_schema(components[schema["$ref"].rsplit("/", 1)[-1]], components)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of(of_schema(option, components) for option in schema["anyOf"])
    if schema["type"] == "array":
        return st.lists(of_schema(schema["items"], components), max_size=3)
    if schema["type"] == "object":
        return _objects(schema, components)
    return _SCALARS[schema["type"]]


def _objects(schema: Schema, components: dict[str, Schema]) -> Values:
    if "properties" not in schema:
        values = (
            of_schema(schema["additionalProperties"], components) if "additionalProperties" in schema else _ANYTHING
        )
        return st.dictionaries(_TEXT, values, max_size=3)
    members = {name: of_schema(value, components) for name, value in schema["properties"].items()}
    required = {name: members.pop(name) for name in schema["required"]}
    return st.fixed_dictionaries(required, optional=members)


def of_model(model: Any) -> Values:  # noqa: ANN401 - a type or a form of one
    """Instances of a type that our events use. Raises KeyError for one of another kind."""
    origin, arguments = typing.get_origin(model), typing.get_args(model)
    if isinstance(model, type) and issubclass(model, msgspec.Struct):
        return st.builds(model, **{name: of_model(hint) for name, hint in typing.get_type_hints(model).items()})
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(of_model, arguments))
    if origin is list:
        return st.lists(of_model(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(of_model(arguments[0]), of_model(arguments[1]), max_size=3)
    return _SCALARS[model]
