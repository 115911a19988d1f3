"""What Darkroom says of its own interfaces: true to the code, complete, and served without another origin."""

import re
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from infra.openapi import FOLDER, contracts
from services.ingest.parameters import read_parameters
from services.ingest.upload_description import ERRORS, PARAMETERS
from shared.errors import every_error
from shared.events import ImageUploaded, encode
from tests.ingest.pictures import picture
from tests.ingest.running import Running


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return {name: msgspec.json.decode(content) for name, content in contracts().items()}


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_the_committed_documents_are_what_the_code_says(written: dict[str, Any], name: str) -> None:
    committed = msgspec.json.decode((FOLDER / name).read_bytes())

    assert committed == written[name], "run: python -m infra.openapi"


def test_every_reference_of_the_openapi_document_leads_somewhere(written: dict[str, Any]) -> None:
    text = msgspec.json.encode(written["openapi.json"]).decode()

    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in written["openapi.json"]["components"]["schemas"]


def test_the_asyncapi_document_is_one_and_its_schema_takes_our_events(written: dict[str, Any]) -> None:
    document = written["asyncapi.json"]

    ApplicationSchema.model_validate(document)
    schema = {"$ref": "#/components/schemas/ImageUploaded", "components": document["components"]}
    event = msgspec.json.decode(encode(ImageUploaded(source="a", job_id="0-1", filters=[{"name": "sepia"}])))
    jsonschema_rs.validate(schema, event)


def test_every_parameter_is_described() -> None:
    for name, schema in PARAMETERS.items():
        pairs = [(name, str(schema.get("default", schema.get("minimum", "x"))).lower())]
        if name in ("webhook", "url"):
            pairs = [(name, "https://example.org/")]
        if name == "expected":
            pairs.append(("batch", "b"))
        read_parameters(pairs)


def test_every_error_of_an_upload_is_described(written: dict[str, Any]) -> None:
    responses = written["openapi.json"]["paths"]["/v1/images"]["post"]["responses"]

    for error in ERRORS:
        assert f"`{error.code}`" in responses[str(error.status)]["description"]


async def test_the_answer_of_an_upload_fits_its_description(ingest: Running, written: dict[str, Any]) -> None:
    response = await ingest.http.post("/v1/images", content=picture())

    schema = {"$ref": "#/components/schemas/Accepted", "components": written["openapi.json"]["components"]}
    jsonschema_rs.validate(schema, response.json())


async def test_the_documents_are_served(ingest: Running, written: dict[str, Any]) -> None:
    assert (await ingest.http.get("/openapi.json")).json()["paths"].keys() == written["openapi.json"]["paths"].keys()
    assert (await ingest.http.get("/asyncapi")).json()["asyncapi"] == "3.0.0"


async def test_the_reference_names_every_route_and_every_error(ingest: Running, written: dict[str, Any]) -> None:
    page = await ingest.http.get("/docs")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path in written["openapi.json"]["paths"]:
        assert path in page.text
    for error in every_error():
        assert f'id="{error.code}"' in page.text


async def test_the_reference_needs_no_script_and_no_other_origin(ingest: Running) -> None:
    page = await ingest.http.get("/docs")

    assert "<script" not in page.text
    assert " style=" not in page.text
    assert re.findall(r'(?:src|href)="(?!/|#)', page.text) == []
    assert (await ingest.http.get("/docs/reference.css")).headers["content-type"].startswith("text/css")
