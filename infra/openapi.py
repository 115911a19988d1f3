"""Writes what describes Darkroom to programs: one OpenAPI document of the whole origin, one AsyncAPI of the streams.

`python -m infra.openapi` after a change of a route or an event; a test compares the files with what would be written.
Ingest serves the files, so that it need not import results to describe it.
"""

import re
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from infra.asyncapi import asyncapi
from services.ingest.app import IngestService
from services.ingest.settings import IngestSettings
from services.results import examples, models
from services.results.app import make_app
from shared import problems
from shared.access import COOKIE, SAFE_COOKIE
from shared.problems import Problem

FOLDER: Final = Path(__file__).parent.parent / "services" / "ingest" / "contracts"

_DESCRIPTION: Final = (
    "Upload images with a chain of filters, follow the jobs, fetch the results. "
    "Errors are problem documents (RFC 9457) with a `code`. "
    "Where there are API keys, a request needs one; a Darkroom without keys takes no notice of them."
)
#: Of parameters that several routes have.
_EXAMPLES: Final[dict[str, str]] = {
    "job_id": examples.JOB["id"],
    "batch_id": examples.BATCH["id"],
    "letter_id": examples.LETTER["id"],
    "batch": examples.BATCH["id"],
    "state": "failed",
    "Last-Event-ID": "7",
}
_SECURITY: Final[dict[str, Any]] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, as `darkroom keys add` prints it."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The key of a page that has signed in with POST /v1/session; over https "
        f"its name is `{SAFE_COOKIE}`.",
    },
}


def openapi() -> dict[str, Any]:
    """The OpenAPI document of ingest and results together, as the gateway or `darkroom up` serves them."""
    ingest = IngestService(IngestSettings(blob_url="memory:///")).web.openapi()
    results = _of_results()
    paths = _merged(ingest["paths"], results["paths"])
    for path, item in paths.items():
        for method, operation in item.items():
            operation["operationId"] = _operation_id(method, path)
            _exemplify(operation)
    schemas = _merged(ingest["components"]["schemas"], results.get("components", {}).get("schemas", {}))
    for model in vars(models).values():
        # FastAPI leaves every null out, those of examples too.
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__name__ in schemas:
            schemas[model.__name__] |= model.model_config.get("json_schema_extra") or {}
    return {
        "openapi": ingest["openapi"],
        "info": {"title": "Darkroom", "version": version("darkroom"), "description": _DESCRIPTION},
        "security": [{name: []} for name in _SECURITY],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(_merged(schemas, {"Problem": Problem.model_json_schema()}).items())),
            "examples": problems.examples(),
            "securitySchemes": _SECURITY,
        },
    }


def _exemplify(operation: dict[str, Any]) -> None:
    """Give every parameter that says none an example."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        example = _EXAMPLES.get(parameter["name"])
        if example is not None and not {"example", "examples"} & {*parameter, *schema} and "default" not in schema:
            parameter["example"] = example


def _operation_id(method: str, path: str) -> str:
    """`getJobsOneResult` for GET /v1/jobs/{job_id}/result. FastAPI's own depends on the order of a set."""
    words = re.split(r"[/-]", re.sub(r"{\w+}", "one", path.removeprefix("/v1/")))
    return method + "".join(word.title() for word in words)


def _of_results() -> dict[str, Any]:
    """What results says of itself. HEAD is left out: it answers as GET does, and FastAPI names both alike."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Duplicate Operation ID", category=UserWarning)
        document = make_app(None).openapi()
    for path in document["paths"].values():
        path.pop("head", None)
    return document


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both together; raises ValueError when they say different things of one name."""
    clashes = [name for name in one.keys() & other.keys() if one[name] != other[name]]
    if clashes:
        raise ValueError(f"described twice and differently: {', '.join(sorted(clashes))}")
    return {**one, **other}


def contracts() -> dict[str, bytes]:
    """File name to content of all documents."""
    documents = {"openapi.json": openapi(), "asyncapi.json": asyncapi()}
    return {name: msgspec.json.format(msgspec.json.encode(body), indent=1) + b"\n" for name, body in documents.items()}


def main() -> None:
    for name, content in contracts().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
