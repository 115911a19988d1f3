"""An image that is named by a URL is fetched from listed hosts, and nothing leads the service to an address inside."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from services.ingest import fetch
from shared import addresses
from shared.service import Server
from tests.ingest.pictures import picture
from tests.ingest.running import Running, Start, assert_problem
from tests.support.waiting import eventually

#: What a list that holds localhost with one port says nothing of.
ELSEWHERE = (
    "http://localhost/cat%20one.png",
    "http://localhost.:{port}/",
    "http://127.0.0.1:{port}/",
    "https://elsewhere.example/cat.png",
    "ftp://localhost:{port}/",
    "http://user:password@localhost:{port}/",
    "http://localhost:{port}@elsewhere.example/",
    "file:///etc/passwd",
    "http://localhost:{port}\\@elsewhere.example/",
)


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


class Site:
    """A site with pictures on the loopback; `seen` are the requests that reached it."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.leads_to = ""
        self.closing = asyncio.Event()
        pages = {"/cat one.png": self.image, "/text": self.text, "/leads": self.leads}
        pages |= {"/slow": self.slow, "/large": self.large}
        self.app = Starlette(routes=[Route(path, page) for path, page in pages.items()])

    async def image(self, request: Request) -> Response:
        self.seen.append(request)
        return Response(picture(), media_type="text/plain")

    async def text(self, _: Request) -> Response:
        return Response(b"no image at all", media_type="image/png")

    async def leads(self, _: Request) -> Response:
        return RedirectResponse(self.leads_to)

    async def large(self, request: Request) -> Response:
        if "told" in request.query_params:
            return Response(picture() + bytes(5000))
        return StreamingResponse(self._pieces())

    async def slow(self, request: Request) -> Response:
        self.seen.append(request)
        return StreamingResponse(self._pieces(self.closing))

    async def _pieces(self, until: asyncio.Event | None = None) -> AsyncIterator[bytes]:
        yield picture()
        if until is not None:
            await until.wait()
        for _ in range(50):
            yield bytes(100)


@pytest.fixture
async def site() -> AsyncIterator[tuple[Site, int]]:
    made = Site()
    server = Server(made.app, "127.0.0.1", 0, grace=1)
    await server.start()
    yield made, server.port
    made.closing.set()
    await server.stop()


@pytest.fixture
async def ingest(start: Start, site: tuple[Site, int]) -> Running:
    """A service that may fetch from the site, which is on an address that only a test may allow."""
    return await start(fetch_hosts=f"localhost:{site[1]}, 127.0.0.2:{site[1]}", fetch_allow_private=True)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names of a DNS of our own, each with the addresses that it gives, one for each question."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def answer(host: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - socket's own signature
        name = host.decode() if isinstance(host, bytes) else host
        return real(known[name].pop(0) if name in known else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


async def test_a_fetched_image_is_as_good_as_an_uploaded_one(ingest: Running, site: tuple[Site, int]) -> None:
    url = f"http://localhost:{site[1]}/cat%20one.png?size=2"
    answer = await ingest.http.post("/v1/images", params={"url": url, "filters": "sepia"})
    assert answer.status_code == 202, answer.text
    uploaded = await ingest.http.post("/v1/images", params={"filters": "sepia"}, content=picture())
    assert uploaded.status_code == 202
    events = [json.loads(fields[b"data"]) for fields in await ingest.entries()]
    assert [{**event, "job_id": "", "batch": "", "name": ""} for event in events[:1]] == [
        {**event, "job_id": "", "batch": "", "name": ""} for event in events[1:]
    ]
    assert bytes(await ingest.store.get_async(events[0]["source"])) == picture()
    assert site[0].seen[0].headers["host"] == f"localhost:{site[1]}"
    assert site[0].seen[0].url.query == "size=2"
    assert ingest.service.uploads.budget.used == 0


async def test_a_form_may_name_it_and_its_name_is_that_of_the_url(ingest: Running, site: tuple[Site, int]) -> None:
    url = f"http://localhost:{site[1]}/cat%20one.png"
    # The part of a file that was not chosen comes with it.
    form = {"url": (None, url), "filters": (None, "sepia"), "image": ("", b"")}
    answer = await ingest.http.post("/v1/images", files=form)
    assert answer.status_code == 202, answer.text
    assert "cat one.png" in str(await ingest.entries())


async def test_a_redirect_within_the_listed_hosts_is_followed(ingest: Running, site: tuple[Site, int]) -> None:
    site[0].leads_to = f"http://localhost:{site[1]}/cat%20one.png"
    answer = await ingest.http.post("/v1/images", params={"url": f"http://localhost:{site[1]}/leads"})
    assert answer.status_code == 202, answer.text


async def test_too_many_at_once_are_an_overload_and_no_fault_of_the_address(
    start: Start, site: tuple[Site, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_AT_ONCE", 1)
    monkeypatch.setattr(fetch, "_QUEUE", 0.2)
    ingest = await start(fetch_hosts=f"localhost:{site[1]}", fetch_allow_private=True)
    slow, quick = (f"http://localhost:{site[1]}/{path}" for path in ("slow", "cat%20one.png"))
    first = asyncio.create_task(ingest.http.post("/v1/images", params={"url": slow}))
    await eventually(lambda: site[0].seen)
    second = await ingest.http.post("/v1/images", params={"url": quick})
    assert_problem(second, 503, "overloaded")
    assert "retry-after" in second.headers
    site[0].closing.set()
    assert (await first).status_code == 202


async def test_without_a_list_nothing_is_fetched_and_the_setting_is_named(start: Start, site: tuple[Site, int]) -> None:
    ingest = await start()
    answer = await ingest.http.post("/v1/images", params={"url": f"http://localhost:{site[1]}/cat%20one.png"})
    assert "DARKROOM_FETCH_HOSTS" in assert_problem(answer, 422, "invalid_parameter")["detail"]
    assert site[0].seen == []


async def test_what_is_not_on_the_list_is_refused(ingest: Running, site: tuple[Site, int]) -> None:
    for url in ELSEWHERE:
        answer = await ingest.http.post("/v1/images", params={"url": url.format(port=site[1])})
        assert_problem(answer, 422, "invalid_parameter")
    assert site[0].seen == []


async def test_a_listed_name_that_leads_inside_is_refused(
    start: Start, site: tuple[Site, int], names: dict[str, list[str]]
) -> None:
    ingest = await start(fetch_hosts=f"pictures.test:{site[1]}")
    inside = ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::7", "::ffff:10.0.0.7"]
    names["pictures.test"] = [*inside]
    for _ in inside:
        answer = await ingest.http.post("/v1/images", params={"url": f"http://pictures.test:{site[1]}/cat%20one.png"})
        assert "not public" in assert_problem(answer, 422, "invalid_parameter")["detail"]
    assert names["pictures.test"] == []
    assert site[0].seen == []


async def test_the_connection_goes_to_the_address_that_was_checked(
    start: Start, site: tuple[Site, int], names: dict[str, list[str]]
) -> None:
    ingest = await start(fetch_hosts=f"pictures.test:{site[1]}", fetch_allow_private=True)
    # Asked twice, the name would lead elsewhere.
    names["pictures.test"] = ["127.0.0.1", "192.0.2.1"]
    answer = await ingest.http.post("/v1/images", params={"url": f"http://pictures.test:{site[1]}/cat%20one.png"})
    assert answer.status_code == 202, answer.text
    assert names["pictures.test"] == ["192.0.2.1"]
    assert site[0].seen[0].headers["host"] == f"pictures.test:{site[1]}"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://127.0.0.2:{port}/cat%20one.png", "not public"),
        ("http://127.0.0.1:{port}/cat%20one.png", "not among"),
        ("http://169.254.169.254/latest/meta-data", "not among"),
        ("file:///etc/passwd", "only http"),
    ],
)
async def test_a_redirect_leads_nowhere_that_a_url_may_not(
    start: Start, site: tuple[Site, int], monkeypatch: pytest.MonkeyPatch, target: str, why: str
) -> None:
    only: Callable[[str], bool] = {"127.0.0.1": True, "::1": True}.__contains__
    monkeypatch.setattr(addresses, "is_public", only)
    ingest = await start(fetch_hosts=f"localhost:{site[1]}, 127.0.0.2:{site[1]}")
    site[0].leads_to = target.format(port=site[1])
    answer = await ingest.http.post("/v1/images", params={"url": f"http://localhost:{site[1]}/leads"})
    assert why in assert_problem(answer, 422, "invalid_parameter")["detail"]
    assert site[0].seen == []


async def test_a_redirect_in_a_circle_ends(ingest: Running, site: tuple[Site, int]) -> None:
    site[0].leads_to = f"http://localhost:{site[1]}/leads"
    answer = await ingest.http.post("/v1/images", params={"url": f"http://localhost:{site[1]}/leads"})
    assert "redirects" in assert_problem(answer, 422, "source_not_found")["detail"]


@pytest.mark.parametrize("path", ["large?told", "large"])
async def test_more_bytes_than_an_image_may_have_are_not_read(start: Start, site: tuple[Site, int], path: str) -> None:
    ingest = await start(fetch_hosts=f"localhost:{site[1]}", fetch_allow_private=True, max_bytes=len(picture()) + 1000)
    answer = await ingest.http.post("/v1/images", params={"url": f"http://localhost:{site[1]}/{path}"})
    assert_problem(answer, 413, "too_many_bytes")
    assert ingest.service.uploads.budget.used == 0


async def test_a_body_that_makes_no_end_is_given_up(start: Start, site: tuple[Site, int]) -> None:
    ingest = await start(fetch_hosts=f"localhost:{site[1]}", fetch_allow_private=True, fetch_timeout=0.3)
    answer = await ingest.http.post("/v1/images", params={"url": f"http://localhost:{site[1]}/slow"})
    assert_problem(answer, 422, "timed_out")
    assert ingest.service.uploads.budget.used == 0
    assert await ingest.entries() == []


@pytest.mark.parametrize(
    ("path", "status", "code"), [("text", 415, "unsupported_media"), ("nothing-here", 422, "source_not_found")]
)
async def test_what_is_no_image_is_told_as_such(
    ingest: Running, site: tuple[Site, int], path: str, status: int, code: str
) -> None:
    answer = await ingest.http.post("/v1/images", params={"url": f"http://localhost:{site[1]}/{path}"})
    assert_problem(answer, status, code)


async def test_a_host_that_is_away_is_a_source_that_is_not_found(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        ingest = await start(fetch_hosts=f"127.0.0.1:{port}, nowhere.invalid", fetch_allow_private=True)
        for url in (f"http://127.0.0.1:{port}/", "http://nowhere.invalid/"):
            assert_problem(await ingest.http.post("/v1/images", params={"url": url}), 422, "source_not_found")


async def test_a_request_has_an_image_or_a_url_not_both(ingest: Running, site: tuple[Site, int]) -> None:
    url = f"http://localhost:{site[1]}/cat%20one.png"
    raw = await ingest.http.post("/v1/images", params={"url": url}, content=picture())
    assert_problem(raw, 422, "invalid_parameter")
    for query, form in (({"url": url}, {}), ({}, {"url": (None, url)})):
        files = {"image": ("a.png", picture()), **form}
        assert_problem(await ingest.http.post("/v1/images", params=query, files=files), 422, "invalid_parameter")
    assert site[0].seen == []
    assert await ingest.entries() == []
