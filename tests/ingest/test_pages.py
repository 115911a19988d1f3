"""Pages and their files: strict headers, entity tags, compression."""

import gzip
import re

import pytest

from services.ingest.pages import WEB
from shared.errors import every_error
from tests.ingest.running import Running, assert_problem


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


@pytest.mark.parametrize("path", ["/", "/queue", "/jobs/0-abc", "/docs"])
async def test_a_page_may_run_and_load_only_what_is_ours(ingest: Running, path: str) -> None:
    response = await ingest.http.get(path)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("code", [error.code for error in every_error()])
def test_the_page_has_words_for_every_error_and_says_what_to_do(code: str) -> None:
    words = (WEB / "words.js").read_text()

    assert re.search(rf'\n  {code}: \[\s*"[^"]+",\s*"[^"]+",?\s*\]', words), "a title, and what can be done"


async def test_files_are_sent_compressed_to_who_takes_that(ingest: Running) -> None:
    async with ingest.http.stream("GET", "/web/studio.js", headers={"Accept-Encoding": "gzip"}) as response:
        squeezed = b"".join([chunk async for chunk in response.aiter_raw()])
    plain = await ingest.http.get("/web/studio.js", headers={"Accept-Encoding": "identity"})

    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(squeezed) == plain.content
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    assert plain.headers["content-type"].startswith("text/javascript")


async def test_a_file_that_is_known_is_not_sent_again(ingest: Running) -> None:
    first = await ingest.http.get("/web/studio.js")

    again = await ingest.http.get("/web/studio.js", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_head_tells_the_length_and_sends_nothing(ingest: Running) -> None:
    get = await ingest.http.get("/web/studio.js", headers={"Accept-Encoding": "identity"})
    head = await ingest.http.head("/web/studio.js", headers={"Accept-Encoding": "identity"})

    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize("path", ["/web/none.js", "/web/../app.py", "/web/%2e%2e/app.py", "/web//etc/passwd", "/web/"])
async def test_nothing_outside_the_folder_is_served(ingest: Running, path: str) -> None:
    assert_problem(await ingest.http.get(path), 404, "not_found")


async def test_the_catalogue_is_offered_with_an_entity_tag(ingest: Running) -> None:
    first = await ingest.http.get("/v1/filters")

    assert [entry["name"] for entry in first.json()["filters"]] == ["blur", "sepia"]
    again = await ingest.http.get("/v1/filters", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
