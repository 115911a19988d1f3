"""The AsyncAPI document: it is one, and its payloads are those that the services write and read."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.asyncapi import asyncapi
from infra.openapi import openapi
from shared.dead_letters import Letter
from shared.events import Failure, ImageProgress, ImageUploaded, Output, Result
from tests.contract.strategies import of_model, of_schema

#: The JSON Schema of AsyncAPI 3.0.0 as the specification's authors publish it: `3.0.0-without-$id.json` of the package
#: @asyncapi/specs 6.11.1, Apache-2.0.
SPECIFICATION = Path(__file__).with_name("asyncapi-3.0.0.schema.json.gz")
DOCUMENT = asyncapi()
COMPONENTS: dict[str, Any] = DOCUMENT["components"]["schemas"]
MODELS = {model.__name__: model for model in (Failure, ImageProgress, ImageUploaded, Letter, Output, Result)}
PAYLOADS = ("ImageProgress", "ImageUploaded", "Letter")


@pytest.fixture(scope="module")
def specification() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(gzip.decompress(SPECIFICATION.read_bytes())))


def test_the_document_is_asyncapi_3(specification: jsonschema_rs.Validator) -> None:
    specification.validate(DOCUMENT)


@pytest.mark.parametrize("missing", ["asyncapi", "info"])
def test_a_document_that_lacks_something_would_be_told(specification: jsonschema_rs.Validator, missing: str) -> None:
    assert not specification.is_valid({name: part for name, part in DOCUMENT.items() if name != missing})


@pytest.mark.parametrize("document", [DOCUMENT, openapi()], ids=["asyncapi", "openapi"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))
    assert references
    for reference in references:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_every_model_is_described_with_its_very_members() -> None:
    assert COMPONENTS.keys() == MODELS.keys()
    for name, model in MODELS.items():
        fields = msgspec.structs.fields(model)
        assert COMPONENTS[name]["properties"].keys() == {field.encode_name for field in fields}, name
        assert set(COMPONENTS[name]["required"]) == {field.encode_name for field in fields if field.required}, name


@pytest.mark.parametrize("name", PAYLOADS)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_what_is_written_fits_the_document(name: str, data: st.DataObject) -> None:
    written = msgspec.json.decode(msgspec.json.encode(data.draw(of_model(MODELS[name]))))

    _validator(name).validate(written)


@pytest.mark.parametrize("name", PAYLOADS)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_what_the_document_allows_is_read(name: str, data: st.DataObject) -> None:
    allowed = data.draw(of_schema(COMPONENTS[name], COMPONENTS))

    read = msgspec.json.decode(msgspec.json.encode(allowed), type=MODELS[name])

    assert msgspec.convert(allowed, MODELS[name]) == read
    assert msgspec.json.decode(msgspec.json.encode(read), type=MODELS[name]) == read


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_the_document_requires_is_missed(name: str) -> None:
    (example,) = (message["examples"][0]["payload"] for message in _messages(name))
    _validator(name).validate(example)
    for member in COMPONENTS[name]["required"]:
        with pytest.raises(msgspec.ValidationError, match=member):
            msgspec.convert({key: value for key, value in example.items() if key != member}, MODELS[name])


def _validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def _messages(payload: str) -> Iterator[dict[str, Any]]:
    for message in DOCUMENT["components"]["messages"].values():
        if message["payload"]["$ref"].endswith(f"/{payload}"):
            yield message


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
