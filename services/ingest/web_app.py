"""Everything of the origin that ingest answers besides uploads: the catalogue, pages, documents, health."""

from fastapi import FastAPI, Path, Request
from starlette.responses import Response

from services.ingest.offer import Offer
from services.ingest.pages import Pages, matches
from shared import problems
from shared.health import Health, health_routes


def web_app(offer: Offer, health: Health, pages: Pages) -> FastAPI:
    """The FastAPI app of these routes."""
    app = FastAPI(title="Darkroom", openapi_url=None, docs_url=None, redoc_url=None)
    problems.install(app)
    _add_catalogue(app, offer)
    _add_pages(app, pages)
    app.router.routes.extend(health_routes(health))
    return app


def _add_catalogue(app: FastAPI, offer: Offer) -> None:
    @app.get("/v1/filters", summary="List the filters", tags=["filters"])
    async def filters(request: Request) -> Response:
        """The filters that every live worker has, each with the JSON Schema of its parameters."""
        snapshot = await offer.current()
        headers = {"ETag": snapshot.etag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        if matches(request.headers.get("if-none-match"), snapshot.etag):
            return Response(status_code=304, headers=headers)
        return Response(snapshot.body, headers=headers, media_type="application/json")


def _add_pages(app: FastAPI, pages: Pages) -> None:
    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def studio(request: Request) -> Response:
        return pages.answer("index.html", request)

    @app.api_route("/queue", methods=["GET", "HEAD"], include_in_schema=False)
    async def queue(request: Request) -> Response:
        return pages.answer("queue.html", request)

    @app.api_route("/jobs/{job_id}", methods=["GET", "HEAD"], include_in_schema=False)
    async def job(request: Request, job_id: str = Path()) -> Response:  # noqa: ARG001 - the page reads its address
        return pages.answer("job.html", request)

    @app.api_route("/web/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def asset(request: Request, path: str = Path()) -> Response:
        return pages.answer(path, request)
