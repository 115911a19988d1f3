import httpx
import pytest

from services.results.ranges import Span, Unsatisfiable, matches, parse_range
from shared.blobs import BlobStore, blob_key, digest_of
from tests.results.story import Story

PICTURE = bytes(range(256)) * 40
KEY = blob_key("results", "local", digest_of(PICTURE), day="2026-11-24")
ETAG = f'"{digest_of(PICTURE)}"'


@pytest.fixture
def redis_url(one_server: str) -> str:
    """How bytes are sent does not depend on the server."""
    return one_server


@pytest.fixture
def store(blob_url: str) -> BlobStore:
    return BlobStore(blob_url)


@pytest.fixture
async def done(story: Story, store: BlobStore) -> str:
    store.put(KEY, PICTURE)
    (job_id,) = await story.submit("Été à Paris.PNG", media_type="image/png")
    await story.finish(job_id, key=KEY)
    return job_id


async def test_a_result_comes_whole_with_everything_that_keeps_it_safe(done: str, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/v1/jobs/{done}/result")
    assert answer.content == PICTURE
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(PICTURE))
    assert answer.headers["etag"] == ETAG
    assert answer.headers["accept-ranges"] == "bytes"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["content-disposition"] == (
        "inline; filename=\"_t_ _ Paris.jpg\"; filename*=UTF-8''%C3%89t%C3%A9%20%C3%A0%20Paris.jpg"
    )


async def test_head_tells_the_same_without_the_bytes(done: str, http: httpx.AsyncClient) -> None:
    answer = await http.head(f"/v1/jobs/{done}/result")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(PICTURE))
    assert answer.headers["etag"] == ETAG


@pytest.mark.parametrize("condition", [ETAG, f'W/{ETAG}, "other"', "*"])
async def test_what_the_client_has_is_not_sent_again(done: str, http: httpx.AsyncClient, condition: str) -> None:
    answer = await http.get(f"/v1/jobs/{done}/result", headers={"If-None-Match": condition})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", ETAG)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=10000-", 10_000, 10_240),
        ("bytes=-40", 10_200, 10_240),
        ("bytes=5-999999", 5, 10_240),
        ("bytes=-999999", 0, 10_240),
    ],
)
async def test_a_range_is_answered_with_that_part(
    done: str, http: httpx.AsyncClient, asked: str, start: int, end: int
) -> None:
    answer = await http.get(f"/v1/jobs/{done}/result", headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == PICTURE[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(PICTURE)}"


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=-0", "bytes=99999-100000"])
async def test_a_range_behind_the_end_is_refused(done: str, http: httpx.AsyncClient, asked: str) -> None:
    answer = await http.get(f"/v1/jobs/{done}/result", headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(PICTURE)}"


@pytest.mark.parametrize("asked", ["bytes=5-1", "lines=1-2", "bytes=0-1,4-5", "bytes=", "bytes=a-b"])
async def test_a_range_that_makes_no_sense_is_ignored(done: str, http: httpx.AsyncClient, asked: str) -> None:
    answer = await http.get(f"/v1/jobs/{done}/result", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, PICTURE)


async def test_if_range_wants_the_part_only_of_the_same_object(done: str, http: httpx.AsyncClient) -> None:
    url, part = f"/v1/jobs/{done}/result", {"Range": "bytes=0-9"}
    assert (await http.get(url, headers={**part, "If-Range": ETAG})).status_code == 206
    assert (await http.get(url, headers={**part, "If-Range": '"another"'})).status_code == 200


async def test_an_original_that_was_put_there_by_another_program(
    story: Story, store: BlobStore, http: httpx.AsyncClient
) -> None:
    store.put("inbox/cat.jpg", b"<script>")
    (job_id,) = await story.submit("x.html", source="inbox/cat.jpg", media_type="text/html")
    answer = await http.get(f"/v1/jobs/{job_id}/original")
    assert (answer.status_code, answer.content) == (200, b"<script>")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["etag"].startswith('"')
    assert answer.headers["cache-control"] == "private, no-cache"


async def test_a_job_that_is_not_done_has_no_result_yet(story: Story, http: httpx.AsyncClient) -> None:
    queued, broken = await story.submit("a.jpg", "b.jpg")
    await story.fail(broken)
    for job_id, word in ((queued, "queued"), (broken, "damaged")):
        answer = await http.get(f"/v1/jobs/{job_id}/result")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_done")
        assert word in answer.json()["detail"]


async def test_bytes_that_are_no_longer_kept_are_gone(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("a.jpg")
    await story.finish(job_id, key=KEY)
    for what in ("result", "original"):
        answer = await http.get(f"/v1/jobs/{job_id}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (410, "expired")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../../etc/passwd", "passwd"),
        ('a"b\r\nc.png', "a_b__c"),
        ("C:\\x\\cat.jpeg", "cat"),
        (".png", "png"),
        ("...", "0-"),
        ("x" * 500 + ".png", "x" * 100),
    ],
)
async def test_the_offered_file_name_is_harmless(
    story: Story, store: BlobStore, http: httpx.AsyncClient, name: str, stem: str
) -> None:
    store.put(KEY, PICTURE)
    (job_id,) = await story.submit(name)
    await story.finish(job_id, key=KEY)
    disposition = (await http.get(f"/v1/jobs/{job_id}/result")).headers["content-disposition"]
    assert disposition.startswith(f'inline; filename="{stem}')
    assert disposition.count('"') == 2


def test_ranges_of_nothing() -> None:
    assert parse_range(None, 0) is None
    for asked in ("bytes=0-", "bytes=-5"):
        with pytest.raises(Unsatisfiable):
            parse_range(asked, 0)
    assert parse_range("bytes=0-4", 5) == Span(0, 5)
    assert not matches(None, '"x"')
