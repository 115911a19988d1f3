"""Blobs on S3, on a real server: the whole way of a picture, and a store that is wrong, slow or away."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import psutil
import pytest
from redis import Redis

from clients.api import Client
from shared import blobs, keys
from shared.blobs import BlobStore
from shared.errors import SourceNotFound, StorageUnavailable
from shared.events import ImageUploaded, encode
from tests.ingest.pictures import picture
from tests.s3.conftest import KEY, S3, SECRET, Weed
from tests.support import stack as stacks
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def product(reached: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole product with its blobs on S3."""
    settings = {"DARKROOM_PRESIGNED_DOWNLOADS": "true", "DARKROOM_PRESIGNED_UPLOADS": "true", "DARKROOM_LEASE": "2"}
    running = stacks.start(tmp_path_factory.mktemp("up"), environment={**reached.environment, **settings})
    yield running
    assert running.stop() == 0, running.logged()
    # There were outages, and addresses that were signed: nothing that opens the bucket is told of them.
    for secret in (SECRET, "X-Amz-Signature=", f"X-Amz-Credential={KEY}"):
        assert secret not in running.logged()


@pytest.fixture
def http(product: Stack, s3: S3) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=product.url, trust_env=False, timeout=60) as client:
        yield client


def test_a_picture_goes_the_whole_way_and_an_outage_delays_it_only(s3: S3, http: httpx.Client) -> None:
    first = _upload(http)
    wait_until(lambda: _state(http, first) == "done", timeout=90)
    answer = http.get(f"{first}/result")
    assert answer.status_code == 307
    assert answer.headers["cache-control"] == "no-store"
    with httpx.Client(trust_env=False) as outside:
        result = outside.get(answer.headers["location"])
        original = outside.get(http.get(f"{first}/original").headers["location"])
    assert (result.status_code, result.content[:4]) == (200, b"\xff\xd8\xff\xe0")
    assert result.headers["content-type"] == original.headers["content-type"] == "image/jpeg"
    with Client(str(http.base_url)) as client:
        job_id = first.rpartition("/")[2]
        assert (client.result(job_id), client.original(job_id)) == (result.content, original.content)
    for ours in ({"Sec-Fetch-Site": "same-origin"}, {"Referer": f"{http.base_url}/jobs/0-1"}):
        shown = http.get(f"{first}/result", headers=ours)
        assert (shown.status_code, shown.content) == (200, result.content), (
            "the policy of a page allows no other origin"
        )
    for other in ({"Sec-Fetch-Site": "none"}, {"Referer": "https://elsewhere.example/"}):
        assert http.get(f"{first}/result", headers=other).status_code == 307

    s3.network.cut()
    refused = http.post("/v1/images", params={"filters": "negative"}, content=picture())
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert "retry-after" in refused.headers
    retried = http.get(f"{first}/original")
    assert (retried.status_code, retried.json()["code"]) == (503, "storage_unavailable")

    s3.network.mend()
    wait_until(lambda: http.get("/health/ready").status_code == 200, timeout=90)
    second = _upload(http, filters="negative")
    wait_until(lambda: _state(http, second) == "done", timeout=90)


def test_an_image_that_was_put_to_the_store_itself_is_developed(http: httpx.Client) -> None:
    ticket = http.post("/v1/uploads").json()
    early = http.post("/v1/images", params={"source": ticket["source"]})
    assert (early.status_code, early.json()["code"]) == (422, "source_not_found")
    with httpx.Client(trust_env=False) as outside:
        put = outside.put(ticket["url"], content=picture(shade=77), headers={"Content-Type": "text/html"})
        assert put.status_code == 200, put.text
        elsewhere = outside.put(ticket["url"].replace(ticket["source"], "inbox/local/other"), content=picture())
        assert elsewhere.status_code == 403
    accepted = http.post("/v1/images", params={"source": ticket["source"], "filters": "sepia"})
    assert accepted.status_code == 202, accepted.text
    job = accepted.json()["jobs"][0]["links"]["self"]
    wait_until(lambda: _state(http, job) == "done", timeout=90)
    original = http.get(f"{job}/original")
    assert (original.status_code, original.content) == (200, picture(shade=77)), "the store would say text/html"
    assert original.headers["content-type"] == "image/jpeg"
    assert original.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert http.get(f"{job}/result").status_code == 307
    both = http.post("/v1/images", params={"source": ticket["source"]}, content=picture())
    assert (both.status_code, both.json()["code"]) == (422, "invalid_parameter")


def test_a_job_that_waits_on_the_store_while_its_worker_is_killed_is_done(
    s3: S3, weed: Weed, product: Stack, http: httpx.Client
) -> None:
    BlobStore(s3.url).put("inbox/waits.jpg", picture())
    with Redis.from_url(product.redis_url) as redis:
        with weed.paused():
            event = ImageUploaded(source="inbox/waits.jpg", filters=[{"name": "sepia"}])
            entry = redis.xadd(keys.uploaded(0), {"data": encode(event)}).decode()
            job = f"/v1/jobs/0-{entry}"
            wait_until(lambda: _started(http, job), timeout=30)
            (waiting,) = redis.xpending_range(keys.uploaded(0), keys.PROCESS_GROUP, entry, entry, 1)
            (worker,) = [
                child for child in psutil.Process(product.pid).children() if "services.process" in child.cmdline()
            ]
            assert f"-{worker.pid}-".encode() in waiting["consumer"]
            worker.kill()
            worker.wait(10)
        wait_until(lambda: _state(http, job) == "done", timeout=90)
    assert http.get(job).json()["attempts"] == 2


def test_a_store_keeps_replaces_lists_and_drops_by_day(s3: S3) -> None:
    store = BlobStore(s3.url)
    store.put("results/2026-11-24/bob/one", b"1")
    store.put("results/2026-11-24/bob/one", b"22")
    assert bytes(store.get("results/2026-11-24/bob/one")) == b"22"
    with pytest.raises(SourceNotFound):
        store.get("results/2026-11-24/bob/none")


async def test_a_day_goes_as_a_whole(s3: S3) -> None:
    store = BlobStore(s3.url)
    for name in ("a", "b", "c"):
        store.put(f"originals/2025-01-01/bob/{name}", b"1")
    assert "2025-01-01" in await store.days("originals")
    assert await store.drop_day("originals", "2025-01-01") == 3
    # This server goes on to list the empty folder, which S3 itself has none of.
    assert await store.drop_day("originals", "2025-01-01") == 0


def test_wrong_credentials_are_an_unavailable_store_and_not_shown(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    store = BlobStore(s3.url)
    for act in (
        lambda: store.put("inbox/x", b"1"),
        lambda: store.get("inbox/first"),
        lambda: store.has("inbox/first"),
    ):
        with pytest.raises(StorageUnavailable) as refused:
            act()
        assert "secret" not in refused.value.message


def test_a_store_that_is_away_is_unavailable_and_comes_back(s3: S3) -> None:
    store = BlobStore(s3.url)
    s3.network.cut()
    with pytest.raises(StorageUnavailable):
        store.get("inbox/first")
    s3.network.mend()
    assert bytes(store.get("inbox/first")) == b"x"


def test_a_store_that_makes_no_end_is_given_up(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    second = timedelta(seconds=1)
    monkeypatch.setattr(blobs, "_CLIENT", {"connect_timeout": second, "timeout": second})
    monkeypatch.setattr(blobs, "_RETRIES", {"max_retries": 0})
    store = BlobStore(s3.url)
    s3.network.choked = True
    with pytest.raises(StorageUnavailable):
        store.put("inbox/slow", b"1")


def _upload(http: httpx.Client, filters: str = "sepia") -> str:
    answer = http.post("/v1/images", params={"filters": filters}, content=picture())
    assert answer.status_code == 202, answer.text
    link: str = answer.json()["jobs"][0]["links"]["self"]
    return link


def _started(http: httpx.Client, job: str) -> bool:
    answer = http.get(job)
    return answer.status_code == 200 and answer.json()["state"] == "processing"


def _state(http: httpx.Client, job: str) -> str:
    state: str = http.get(job).json()["state"]
    return state
