"""What every answer says to browsers, whether it is a page, a document, bytes, an error or a refusal at the door."""

import httpx
import pytest
from prometheus_client import CollectorRegistry

from shared.guarded import DEFAULTS, FOR_PARTS, PARTS, Guarded
from shared.health import Health, admin_app
from shared.service import Server
from tests.ingest.pictures import picture
from tests.security.conftest import Open, Origin
from tests.security.test_matrix import NEEDS, ask, things_of


def assert_guarded(answer: httpx.Response) -> None:
    where = f"{answer.request.method} {answer.request.url} {answer.status_code}"
    part = answer.headers.get("content-type", "").startswith(PARTS)
    for name in FOR_PARTS if part else DEFAULTS:
        assert len(answer.headers.get_list(name)) == 1, (name, where)
    assert answer.headers["x-content-type-options"] == "nosniff", where
    if not part:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'"), where
        assert "unsafe" not in answer.headers["content-security-policy"], where


async def test_every_route_answers_guarded_well_or_not(origin: Origin) -> None:
    statuses = set()
    names = await things_of(origin, "alice")
    for headers in ({}, origin.key("alice"), origin.key("mallory")):
        # What reads comes before what removes.
        for method, path in sorted(NEEDS, key=lambda route: (route[0] == "DELETE", route[1])):
            answer = await ask(origin, method, path, names, headers=headers)
            assert_guarded(answer)
            statuses.add(answer.status_code)
    assert statuses >= {200, 204, 400, 401, 404, 409}


async def test_pages_files_and_documents_are_guarded(origin: Origin) -> None:
    for path in ("/", "/queue", "/sign-in", "/jobs/0-1", "/docs", "/asyncapi", "/web/studio.js", "/web/base.css"):
        answer = await origin.http.get(path)
        assert answer.status_code == 200, path
        assert_guarded(answer)
        again = await origin.http.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304, path
        assert_guarded(again)


@pytest.mark.parametrize("path", ["/", "/nothing", "/v1/jobs", "/v1/nothing", "/health", "/health/ready"])
async def test_wrong_addresses_methods_hosts_and_origins_are_answered_guarded(open_origin: Open, path: str) -> None:
    origin = await open_origin(keys=False, cors_origins="https://listed.example")
    asked = {"Origin": "https://listed.example", "Access-Control-Request-Method": "POST"}
    assert_guarded(await origin.http.get(path))
    assert_guarded(await origin.http.put(path))
    assert_guarded(await origin.http.get(path, headers={"Host": "stranger.example"}))
    assert_guarded(await origin.http.post(path, headers={"Origin": "https://stranger.example"}))
    assert_guarded(await origin.http.options(path, headers=asked))


async def test_uploads_are_answered_guarded_well_or_not(origin: Origin) -> None:
    headers = origin.key("bob")
    accepted = await origin.http.post("/v1/images", content=picture(), headers=headers)
    refused = await origin.http.post("/v1/images", content=b"no image", headers=headers)
    assert (accepted.status_code, refused.status_code) == (202, 415)
    assert_guarded(accepted)
    assert_guarded(refused)


async def test_the_admin_port_is_guarded_as_well() -> None:
    server = Server(Guarded(admin_app(Health("some", "1"), CollectorRegistry())), "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
        for path in ("/health", "/health/live", "/metrics", "/nothing"):
            assert_guarded(await http.get(path))
    await server.stop()
