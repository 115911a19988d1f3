"""The filters that workers offer, as JSON Schema.

Each engine version publishes its filters under its name and keeps a heartbeat alive. What is offered to users is what
EVERY live version has, so that no job can land on a worker that does not know its filter or a parameter of it; when
none is alive, the last known set; before there ever was one, NoCatalogue.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from shared import keys
from shared.errors import InvalidParameter, NoCatalogue, UnknownFilter
from shared.events import FilterSpec
from shared.scripts import RedisClient, load


class FilterDocument(msgspec.Struct, frozen=True):
    """What users see of one filter. `parameters` is a JSON Schema of the parameters (draft 2020-12)."""

    name: str
    summary: str
    parameters: dict[str, Any]


class _Published(msgspec.Struct, frozen=True):
    """The filters of one engine version and when it was last seen, in seconds since the epoch."""

    seen: float
    filters: list[FilterDocument]


_decoder = msgspec.json.Decoder(_Published)


async def publish(redis: RedisClient, engine: str, filters: Sequence[FilterDocument]) -> None:
    """Offer the filters of one engine version and prove that it is alive; called well within HEARTBEAT_TTL."""
    seconds, _ = await redis.time()
    document = msgspec.json.encode(_Published(seen=float(seconds), filters=list(filters)))
    offer = load(redis, "offer")
    await offer(keys=[keys.CATALOGUE_KEY], args=[engine, document])
    await offer(keys=[keys.HEARTBEAT_PREFIX + engine], args=["", "1", keys.HEARTBEAT_TTL])


async def offered(redis: RedisClient) -> list[FilterDocument]:
    """The filters that every live engine version has, by name. Raises NoCatalogue before there ever was one."""
    documents = await redis.hgetall(keys.CATALOGUE_KEY)
    if not documents:
        raise NoCatalogue("No worker has offered its filters yet; start the process service.")
    known = {_text(engine): _decoder.decode(document) for engine, document in documents.items()}
    alive = [known[engine] for engine in known if await redis.exists(keys.HEARTBEAT_PREFIX + engine)]
    latest = max(known.values(), key=lambda published: published.seen)
    common = _common(alive or [latest])
    return [common[name] for name in sorted(common)]


def check_chain(chain: Sequence[FilterSpec], filters: Sequence[FilterDocument]) -> None:
    """Raise UnknownFilter or InvalidParameter, naming the filter, the parameter and what is allowed."""
    by_name = {document.name: document for document in filters}
    for spec in chain:
        name = spec["name"]
        if name not in by_name:
            known = sorted(by_name)
            raise UnknownFilter(
                f"There is no filter {name!r}; there are {', '.join(known)}.", filter=name, allowed=known
            )
        _check_parameters(name, spec, by_name[name].parameters)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _common(versions: Sequence[_Published]) -> dict[str, FilterDocument]:
    newest = max(versions, key=lambda published: published.seen)
    named = [{document.name: document for document in version.filters} for version in versions]
    names = set.intersection(*(set(filters) for filters in named))
    return {
        document.name: _narrowed(document, [filters[document.name].parameters for filters in named])
        for document in newest.filters
        if document.name in names
    }


def _narrowed(document: FilterDocument, schemas: Sequence[dict[str, Any]]) -> FilterDocument:
    """The filter with the parameters that every version of it takes, for a chain may land on any of them."""
    others = [schema for schema in schemas if schema != document.parameters]
    if not others:
        return document
    shared = set.intersection(*(set(schema.get("properties", {})) for schema in schemas))
    properties = {name: schema for name, schema in document.parameters.get("properties", {}).items() if name in shared}
    parameters = {**document.parameters, "properties": properties, "allOf": others}
    return FilterDocument(document.name, document.summary, parameters)


def _check_parameters(name: str, spec: FilterSpec, schema: dict[str, Any]) -> None:
    given = {key: value for key, value in spec.items() if key != "name"}
    properties: dict[str, Any] = schema.get("properties", {})
    known = sorted(properties)
    for parameter in sorted(given.keys() - properties.keys()):
        there = f"there are {', '.join(known)}" if known else "this filter has none"
        raise InvalidParameter(
            f"filter {name}: parameter {parameter}: there is none of this name; {there}.",
            filter=name,
            parameter=parameter,
            allowed=known,
        )
    error = next(iter(_validator(msgspec.json.encode(schema)).iter_errors(given)), None)
    if error is None:
        return
    parameter = str(error.instance_path[0]) if error.instance_path else ""
    allowed = properties.get(parameter) if parameter else known
    where = f"parameter {parameter}: " if parameter else ""
    raise InvalidParameter(
        f"filter {name}: {where}{_in_words(error, properties.get(parameter, schema))}.",
        filter=name,
        parameter=parameter,
        allowed=allowed,
    )


def _in_words(error: jsonschema_rs.ValidationError, schema: dict[str, Any]) -> str:
    """What is wrong with a value. Of these keywords the validator tells only that they do not hold."""
    if error.schema_path[-1] not in {"not", "anyOf"}:
        return error.message
    ranges = (
        f" ({option['minimum']} to {option['maximum']})"
        for option in (schema, *schema.get("anyOf", ()))
        if {"minimum", "maximum"} <= option.keys()
    )
    value = msgspec.json.encode(error.instance).decode()
    return f"{value} does not fit: {schema.get('description', '').rstrip('.')}{next(ranges, '')}"


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(msgspec.json.decode(schema))
