"""The routes of ingest as a FastAPI app: uploads, the catalogue, pages, documents, health."""

from functools import lru_cache
from typing import Any, Final

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.ingest import session
from services.ingest.documents import Documents
from services.ingest.offer import Offer
from services.ingest.pages import Document, Pages
from services.ingest.upload_description import DESCRIPTION
from services.ingest.upload_route import UPLOAD_PATH, UploadRoute
from shared import problems
from shared.errors import NoCatalogue, StorageUnavailable
from shared.health import Health, health_routes

_FILTERS: Final[dict[str, Any]] = {
    "filters": [
        {
            "name": "blur",
            "summary": "Blur with a Gaussian.",
            "parameters": {
                "type": "object",
                "properties": {"size": {"type": "integer", "minimum": 1, "maximum": 99, "default": 9}},
            },
        }
    ]
}
_PAGE: Final[dict[str, Any]] = {"methods": ["GET", "HEAD"], "include_in_schema": False}


class FilterEntry(BaseModel):
    """One filter that every live worker has."""

    name: str
    summary: str
    parameters: dict[str, Any] = Field(description="JSON Schema of its parameters (draft 2020-12).")


class FilterList(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_FILTERS]})

    filters: list[FilterEntry]


def web_app(uploads: UploadRoute, offer: Offer, health: Health, pages: Pages) -> FastAPI:
    """All routes but the documents, which are made from what this app says of itself."""
    app = FastAPI(title="Darkroom", openapi_url=None, docs_url=None, redoc_url=None)
    problems.install(app)
    app.post(UPLOAD_PATH, **DESCRIPTION)(uploads.answer)
    app.include_router(session.router)
    _add_catalogue(app, offer)
    _add_pages(app, pages)
    app.router.routes.extend(health_routes(health))
    return app


def _add_catalogue(app: FastAPI, offer: Offer) -> None:
    @app.get(
        "/v1/filters",
        summary="List the filters",
        tags=["filters"],
        response_model=FilterList,
        responses=problems.described(StorageUnavailable, NoCatalogue),
        openapi_extra={"security": []},
    )
    async def filters(request: Request) -> Response:
        """The filters that every live worker has, each with the JSON Schema of its parameters."""
        return _listing((await offer.current()).body).answer(request)


@lru_cache(maxsize=2)
def _listing(body: bytes) -> Document:
    return Document.of(body, "application/json")


def _add_pages(app: FastAPI, pages: Pages) -> None:
    @app.api_route("/", **_PAGE)
    async def studio(request: Request) -> Response:
        return pages.answer("index.html", request)

    @app.api_route("/queue", **_PAGE)
    async def queue(request: Request) -> Response:
        return pages.answer("queue.html", request)

    @app.api_route("/sign-in", **_PAGE)
    async def sign_in(request: Request) -> Response:
        return pages.answer("sign-in.html", request)

    @app.api_route("/jobs/{job_id}", **_PAGE)
    async def job(request: Request, job_id: str) -> Response:  # noqa: ARG001 - the page reads its own address
        return pages.answer("job.html", request)

    @app.api_route("/web/{path:path}", **_PAGE)
    async def asset(request: Request, path: str) -> Response:
        return pages.answer(path, request)


def add_documents(app: FastAPI, documents: Documents) -> None:
    """Serve `/docs`, `/openapi.json` and `/asyncapi`."""

    @app.api_route("/openapi.json", **_PAGE)
    async def openapi(request: Request) -> Response:
        return documents.openapi.answer(request)

    @app.api_route("/asyncapi", **_PAGE)
    async def asyncapi(request: Request) -> Response:
        return documents.asyncapi.answer(request)

    @app.api_route("/docs/reference.css", **_PAGE)
    async def style(request: Request) -> Response:
        return documents.style.answer(request)

    @app.api_route("/docs", **_PAGE)
    async def docs(request: Request) -> Response:
        return documents.page.answer(request)
