"""What Darkroom says of its own interfaces: true to the code, complete, and served without another origin."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from infra.openapi import FOLDER, contracts
from services.ingest.parameters import read_parameters
from services.ingest.upload_description import ERRORS, PARAMETERS
from shared.errors import every_error
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


def test_every_parameter_is_described() -> None:
    for name, schema in PARAMETERS.items():
        pairs = [(name, str(schema.get("default", schema.get("minimum", "x"))).lower())]
        if name in ("webhook", "url"):
            pairs = [(name, "https://example.org/")]
        if name == "source":
            pairs = [(name, "inbox/local/0-1")]
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


def test_every_body_has_an_example_that_fits_its_schema(written: dict[str, Any]) -> None:
    document = written["openapi.json"]
    bodies = list(_bodies(document))
    assert len(bodies) > 100
    for where, content in bodies:
        schema = {**content["schema"], "components": document["components"]}
        examples = _examples(content, document["components"])
        assert examples, where
        for example in examples:
            jsonschema_rs.validate(schema, example)


def _bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every request body, and every response in JSON, with a name for it."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            requests = operation.get("requestBody", {}).get("content", {})
            yield from ((f"{method} {path} {kind}", content) for kind, content in requests.items())
            for status, response in operation["responses"].items():
                for kind, content in response.get("content", {}).items():
                    if kind.endswith("json"):
                        yield f"{method} {path} {status}", content


def _examples(content: dict[str, Any], components: dict[str, Any]) -> list[Any]:
    """The examples of a body: its own, else those of the schema that it refers to."""
    named = [one["$ref"].rsplit("/", 1)[-1] for one in content.get("examples", {}).values()]
    if named:
        return [components["examples"][name]["value"] for name in named]
    if "example" in content:
        return [content["example"]]
    found: list[Any] = components["schemas"][content["schema"]["$ref"].rsplit("/", 1)[-1]].get("examples", [])
    return found


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


async def test_the_reference_tells_of_every_stream_and_gives_examples(ingest: Running, written: dict[str, Any]) -> None:
    page = (await ingest.http.get("/docs")).text

    streams = page.partition('<section id="streams">')[2]
    for channel in written["asyncapi.json"]["channels"].values():
        assert f"<code>{channel['address'].replace('{{p}}', '{p}')}</code>" in streams
    for name in written["asyncapi.json"]["components"]["messages"]:
        assert f'id="event-{name}"' in streams
    assert "XADD" in streams
    # Every inner link leads somewhere.
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))
    assert "<code>sepia,blur:size=9</code>" in page
    assert "<code>holiday-2026</code>" in page


def test_every_parameter_says_what_it_may_look_like(written: dict[str, Any]) -> None:
    for path, item in written["openapi.json"]["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", []):
                told = {"example", "examples", "enum", "default"} & {*parameter, *parameter["schema"]}
                # A cursor is for nobody to make up.
                assert told or parameter["name"] == "cursor", (method, path, parameter["name"])


async def test_the_reference_needs_no_script_and_no_other_origin(ingest: Running) -> None:
    page = await ingest.http.get("/docs")

    assert "<script" not in page.text
    assert " style=" not in page.text
    assert re.findall(r'(?:src|href)="(?!/|#)', page.text) == []
    assert (await ingest.http.get("/docs/reference.css")).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("page", ["/", "/queue", "/jobs/0-1"])
async def test_every_page_leads_to_both_documents(ingest: Running, page: str) -> None:
    links = {*_links((await ingest.http.get(page)).text), *_links((await ingest.http.get("/docs")).text)}

    assert {"/docs", "/openapi.json", "/asyncapi"} <= links
    for link in links:
        assert (await ingest.http.get(link)).status_code == 200, link


def _links(page: str) -> list[str]:
    return re.findall(r'<a href="(/[^"#]*)"', page)
