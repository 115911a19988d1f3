"""Links that open one picture for a while, and how much one key may ask for."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.access import COOKIE
from shared.blobs import blob_key
from shared.errors import Forbidden
from shared.links import Links
from tests.ingest.pictures import picture
from tests.ingest.running import assert_problem
from tests.security.conftest import Open, Origin

OLD, NEW = "o" * 43, "n" * 43


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "link-secret"
    file.write_text(NEW + "\n")
    return file


async def _done(origin: Origin, headers: dict[str, str]) -> str:
    job = await origin.upload(headers)
    key = f"results/2026-11-24/bob/{'a' * 64}"
    origin.store.put(key, b"abc")
    await origin.story.finish(job["id"], key=key)
    return f"/v1/jobs/{job['id']}"


async def test_a_link_opens_one_picture_without_a_key(open_origin: Open, secret: Path) -> None:
    origin = await open_origin(link_secret_file=secret)
    headers = origin.key("bob", "submit", "read")
    job = await _done(origin, headers)
    answer = await origin.http.post(f"{job}/links", params={"seconds": 60}, headers=headers)
    assert answer.status_code == 201
    url = answer.json()["url"]
    assert (await origin.http.get(url)).content == b"abc"
    query = url.partition("?")[2]
    assert_problem(await origin.http.get(f"{job}/original?{query}"), 403, "forbidden")
    assert_problem(await origin.http.get(f"{job}?{query}"), 401, "unauthorized")
    assert_problem(await origin.http.get(url.replace("owner=bob", "owner=alice")), 403, "forbidden")


async def test_a_darkroom_without_a_secret_signs_nothing_and_believes_no_signature(origin: Origin) -> None:
    headers = origin.key("bob")
    job = await _done(origin, headers)
    assert_problem(await origin.http.post(f"{job}/links", headers=headers), 400, "invalid_request")
    forged = Links([b""]).sign(f"{job}/result", "bob", 9_999_999_999)
    assert_problem(await origin.http.get(forged), 401, "unauthorized")


def test_a_link_expires() -> None:
    links = Links([NEW.encode()])
    query = _query_of(links.sign("/v1/jobs/0-1/result", "bob", 1))
    with pytest.raises(Forbidden, match="expired"):
        links.owner_of("/v1/jobs/0-1/result", query)


def test_a_new_secret_signs_while_links_of_the_old_one_still_open(tmp_path: Path) -> None:
    file = tmp_path / "link-secret"
    path, expires = "/v1/jobs/0-1/result", 9_999_999_999
    old = _query_of(Links([OLD.encode()]).sign(path, "bob", expires))
    file.write_text(f"{NEW}\n{OLD}\n")
    both = Links.from_file(file)
    assert both.owner_of(path, old) == "bob"
    assert both.sign(path, "bob", expires) == Links([NEW.encode()]).sign(path, "bob", expires)


def test_a_short_secret_is_refused_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "link-secret"
    file.write_text("short\n")
    with pytest.raises(ValueError, match="at least 32") as refused:
        Links.from_file(file)
    assert "short" not in str(refused.value)


async def test_who_asks_too_often_is_told_when_to_come_back(open_origin: Open) -> None:
    origin = await open_origin(rate_limit="3/hour")
    headers, other = origin.key("bob"), origin.key("carol")
    for _ in range(3):
        assert (await origin.http.get("/v1/jobs", headers=headers)).status_code == 200
    refused = await origin.http.get("/v1/jobs", headers=headers)
    assert_problem(refused, 429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    # It is this key's: whatever it asks for, but nobody else's, not even of the same owner. Pages are for everybody.
    assert_problem(await origin.http.get("/v1/queue", headers=headers), 429, "rate_limited")
    assert (await origin.http.get("/v1/queue", headers=origin.key("bob"))).status_code == 200
    assert (await origin.http.get("/v1/jobs", headers=other)).status_code == 200
    assert (await origin.http.get("/", headers=headers)).status_code == 200


async def test_bytes_of_uploads_have_a_quota_of_their_own(open_origin: Open) -> None:
    size = -(-len(picture()) // 1024)
    origin = await open_origin(upload_quota=f"{2 * size}/day")
    headers = origin.key("bob")
    await origin.upload(headers)
    await origin.upload(headers)
    refused = await origin.http.post("/v1/images", content=picture(), headers=headers)
    assert_problem(refused, 429, "rate_limited")
    assert len((await origin.http.get("/v1/jobs", headers=headers)).json()["jobs"]) == 2
    # Another key of the same owner has its own share, and sees the jobs of both.
    other = origin.key("bob")
    await origin.upload(other)
    assert len((await origin.http.get("/v1/jobs", headers=other)).json()["jobs"]) == 3


async def test_signing_in_with_a_key_gives_no_second_share(open_origin: Open) -> None:
    origin = await open_origin(rate_limit="2/hour")
    _, key = origin.new_key("bob")
    cookie = {"Cookie": f"{COOKIE}={key}"}
    for headers in (cookie, {"Authorization": f"Bearer {key}"}):
        assert (await origin.http.get("/v1/jobs", headers=headers)).status_code == 200
    assert_problem(await origin.http.get("/v1/jobs", headers=cookie), 429, "rate_limited")


async def test_an_image_counts_whatever_becomes_of_its_request(open_origin: Open) -> None:
    size = -(-len(picture()) // 1024)
    origin = await open_origin(upload_quota=f"{2 * size}/day")
    headers = origin.key("bob")
    bad = [("image", ("a.png", picture())), ("image", ("b.png", b"no picture at all"))]
    for _ in range(2):
        answer = await origin.http.post("/v1/images", files=bad, headers=headers)
        assert_problem(answer, 415, "unsupported_media")
    assert_problem(await origin.http.post("/v1/images", files=bad, headers=headers), 429, "rate_limited")


async def test_an_image_that_is_refused_uses_up_nothing(open_origin: Open) -> None:
    size = -(-len(picture()) // 1024)
    origin = await open_origin(upload_quota=f"{size}/day")
    headers = origin.key("bob")
    large = picture(width=600, height=600)
    assert len(large) > 1024 * size

    async def unmeasured() -> AsyncIterator[bytes]:
        yield large

    refused = await origin.http.post("/v1/images", content=unmeasured(), headers=headers)
    assert_problem(refused, 429, "rate_limited")
    assert not origin.store.has(blob_key("originals", "bob", sha256(large).hexdigest()))
    await origin.upload(headers)


async def test_an_image_in_the_inbox_is_checked_and_counted_as_any(open_origin: Open) -> None:
    size = -(-len(picture()) // 1024)
    origin = await open_origin(presigned_uploads=True, upload_quota=f"{size}/day", max_bytes=2000)
    headers = origin.key("bob")
    for name, data in (("one", picture()), ("large", b"x" * 2001), ("empty", b"")):
        origin.store.put(f"inbox/bob/{name}", data)
    outcomes = {}
    for name in ("none", "large", "empty", "one", "one"):
        answer = await origin.http.post("/v1/images", params={"source": f"inbox/bob/{name}"}, headers=headers)
        outcomes[name, len(outcomes)] = (answer.status_code, answer.json().get("code"))
    assert list(outcomes.values()) == [
        (422, "source_not_found"),
        (413, "too_many_bytes"),
        (400, "invalid_request"),
        (202, None),
        (429, "rate_limited"),
    ]


async def test_a_store_that_cannot_sign_says_so(open_origin: Open) -> None:
    origin = await open_origin(presigned_uploads=True)
    answer = await origin.http.post("/v1/uploads", headers=origin.key("bob"))
    assert_problem(answer, 400, "not_supported")


async def test_an_inbox_that_nobody_opened_is_closed(origin: Origin) -> None:
    headers = origin.key("bob")
    origin.store.put("inbox/bob/one", picture())
    assert_problem(await origin.http.post("/v1/uploads", headers=headers), 400, "not_supported")
    refused = await origin.http.post("/v1/images", params={"source": "inbox/bob/one"}, headers=headers)
    assert_problem(refused, 422, "invalid_parameter")


async def test_every_counter_goes_by_itself(open_origin: Open) -> None:
    origin = await open_origin(rate_limit="5/minute", upload_quota="1000000/day")
    await origin.upload(origin.key("bob"))
    counters = [key async for key in origin.story.redis.scan_iter("quota*")]
    assert counters
    for key in counters:
        assert await origin.story.redis.ttl(key) > 0


def _query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
