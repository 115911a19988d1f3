"""The whole way of an image through the running product. Read it from top to bottom as a tutorial.

Everything is real: `darkroom up` runs in a process of its own with its Valkey on disk, its three services and its pool;
the tests know its addresses and nothing else.
"""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from httpx_sse import connect_sse
from redis import Redis

from shared import keys
from shared.blobs import BlobStore
from tests.support.references import REFERENCES, decoded, developed
from tests.support.stack import DARKROOM, Stack
from tests.support.waiting import wait_until

#: The first test waits for the stack, which may compile its kernels.
pytestmark = pytest.mark.timeout(400)

TERMINAL = {"done", "failed", "cancelled"}


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        yield client


@pytest.fixture
def redis(stack: Stack) -> Iterator[Redis]:
    with Redis.from_url(stack.redis_url) as client:
        yield client


@pytest.fixture
def store(stack: Stack) -> BlobStore:
    return BlobStore(stack.blob_url)


def finished(http: httpx.Client, job_id: str) -> dict[str, Any]:
    """The document of a job once it is terminal."""

    def document() -> dict[str, Any] | None:
        answer = http.get(f"/v1/jobs/{job_id}")
        known = answer.json() if answer.status_code == httpx.codes.OK else {}
        return known if known.get("state") in TERMINAL else None

    return wait_until(document, timeout=30) or {}


def test_1_upload_a_photo_and_download_the_developed_picture(http: httpx.Client, photos: list[Path]) -> None:
    # A photo and a chain of filters go to the origin. PNG, so that we can compare pixel by pixel.
    photo = photos[0]
    answer = http.post(
        "/v1/images",
        data={"filters": "sepia,blur:size=9", "format": "png"},
        files={"image": (photo.name, photo.read_bytes())},
    )
    # 202: the picture is stored and the job recorded and published. From here on a crash loses nothing.
    assert answer.status_code == 202, answer.text
    job = answer.json()["jobs"][0]

    # The job can be asked for at once, and soon it is done.
    document = finished(http, job["id"])
    assert document["state"] == "done"
    assert document["name"] == photo.name
    assert document["filters"] == [{"name": "sepia"}, {"name": "blur", "size": 9}]
    assert document["media_type"] == "image/png"

    # The result is what OpenCV and exact arithmetic give for the same chain, to the last bit.
    result = http.get(job["links"]["result"])
    assert result.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(decoded(result.content), developed(photo, "sepia", "blur"))

    # And the original is there as it came.
    assert http.get(job["links"]["original"]).content == photo.read_bytes()


def test_2_follow_a_batch_live(http: httpx.Client, photos: list[Path]) -> None:
    # Several photos in one request are one batch.
    files = [("image", (photo.name, photo.read_bytes())) for photo in photos[:5]]
    answer = http.post("/v1/images", data={"filters": "grayscale"}, files=files).json()
    jobs = [job["id"] for job in answer["jobs"]]

    # The batch has one stream of server-sent events: a document for each change of each job, then `end`.
    seen: dict[str, list[str]] = {job: [] for job in jobs}
    with connect_sse(http, "GET", "/v1/events", params={"batch": answer["batch"]}) as events:
        for event in events.iter_sse():
            if event.event == "end":
                break
            if not event.data:
                continue  # tells only how soon a browser should reconnect
            document = event.json()
            seen[document["id"]].append(document["state"])

    assert {job: states[-1] for job, states in seen.items()} == dict.fromkeys(jobs, "done")
    # States only ever go forward.
    order = ["queued", "processing", "done"]
    assert all(states == sorted(states, key=order.index) for states in seen.values())


def test_3_publish_from_any_program_with_one_xadd(
    http: httpx.Client, redis: Redis, store: BlobStore, photos: list[Path]
) -> None:
    # Whoever may write to the store and the stream needs no HTTP: put the picture anywhere in the store …
    photo = photos[1]
    store.put("inbox/holiday.jpg", photo.read_bytes())
    # … and say so. `source` is all that an event needs.
    event = b'{"source":"inbox/holiday.jpg","filters":[{"name":"negative"}],"output":{"format":"png"}}'
    entry = redis.xadd("image.uploaded:{0}", {"data": event}).decode()

    # The job is called after the entry.
    document = finished(http, f"0-{entry}")
    assert document["state"] == "done"
    assert document["owner"] == "local"
    result = http.get(f"/v1/jobs/0-{entry}/result").content
    np.testing.assert_array_equal(decoded(result), developed(photo, "negative"))


def test_4_nonsense_becomes_a_dead_letter_while_its_neighbours_go_on(
    http: httpx.Client, redis: Redis, store: BlobStore, photos: list[Path]
) -> None:
    store.put("inbox/neighbour.jpg", photos[2].read_bytes())
    good = b'{"source":"inbox/neighbour.jpg","filters":[{"name":"brighten"}]}'
    nonsense = [b"\xff\xfe no text", b"[]", b'{"source": 7}', b"{}"]
    stream = "image.uploaded:{0}"
    pipeline = redis.pipeline()
    for data in [good, *nonsense, good]:
        pipeline.xadd(stream, {"data": data})
    pipeline.xadd(stream, {"no": "data"})
    entries = [entry.decode() for entry in pipeline.execute()]

    assert finished(http, f"0-{entries[0]}")["state"] == "done"
    assert finished(http, f"0-{entries[5]}")["state"] == "done"
    bad = {*entries[1:5], entries[6]}

    def letters() -> list[dict[str, Any]]:
        found = http.get("/v1/dead-letters", params={"limit": 100}).json()["dead_letters"]
        return [letter for letter in found if letter["entry_id"] in bad]

    wait_until(lambda: len(letters()) == len(bad))
    assert {letter["code"] for letter in letters()} == {"invalid_event"}
    # Its publisher sees it too: the job that the entry would have been has failed.
    assert finished(http, f"0-{entries[3]}")["error"]["code"] == "invalid_event"
    # A dead letter stays until somebody drops it, or mends the cause and has it replayed.
    for letter in letters():
        assert http.delete(f"/v1/dead-letters/{letter['id']}").is_success
    assert letters() == []


def test_5_a_wrong_image_is_a_failed_job_and_not_a_dead_letter(http: httpx.Client, photos: list[Path]) -> None:
    # The header of a JPEG, then nothing: ingest, which never decodes, cannot know.
    cut = photos[3].read_bytes()[:20_000]
    job = http.post("/v1/images", params={"filters": "sepia"}, content=cut).json()["jobs"][0]
    document = finished(http, job["id"])
    assert (document["state"], document["error"]["code"]) == ("failed", "corrupt_image")
    assert http.get(job["links"]["result"]).status_code == 409


def test_6_a_request_that_cannot_be_met_says_what_can(http: httpx.Client, photos: list[Path]) -> None:
    picture = photos[0].read_bytes()
    unknown = http.post("/v1/images", params={"filters": "sepia,vignete"}, content=picture)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_filter")
    assert "vignete" in unknown.json()["detail"]
    assert "sepia" in unknown.json()["detail"]

    wrong = http.post("/v1/images", params={"filters": "blur:size=4"}, content=picture)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_parameter")

    text = http.post("/v1/images", content=b"This is not a picture.")
    assert (text.status_code, text.json()["code"]) == (415, "unsupported_media")


@pytest.mark.parametrize("name", REFERENCES)
def test_7_a_folder_goes_through_a_filter_from_the_command_line(
    name: str, stack: Stack, photos: list[Path], tmp_path: Path
) -> None:
    command = [str(DARKROOM), "submit", str(photos[0].parent), "--url", stack.url, "--filter", name]
    answer = subprocess.run(
        [*command, "--format", "png", "--output", str(tmp_path / "developed")],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    results = sorted((tmp_path / "developed").iterdir())
    assert len(results) == len(photos)
    for photo, result in zip(sorted(photos), results, strict=True):
        np.testing.assert_array_equal(decoded(result), developed(photo, name), err_msg=f"{photo.name}, {name}")


def test_8_all_of_it_is_seen_in_the_health_and_the_metrics(stack: Stack) -> None:
    health = httpx.get(f"{stack.url}/health").json()
    assert health["status"] == "ok"
    for name, address in stack.admin.items():
        assert httpx.get(f"{address}/health/ready").is_success
        metrics = httpx.get(f"{address}/metrics").text
        assert "# TYPE darkroom_" in metrics, name


def test_the_catalogue_offers_the_classic_filters_and_the_geometry(http: httpx.Client) -> None:
    offered = {document["name"] for document in http.get("/v1/filters").json()["filters"]}
    assert offered >= {*REFERENCES, "resize", "crop", "rotate", "flip", "contrast", "saturation"}


def test_a_result_that_vanished_from_the_store_is_developed_anew(
    http: httpx.Client, store: BlobStore, redis: Redis, photos: list[Path]
) -> None:
    def develop() -> dict[str, Any]:
        answer = http.post(
            "/v1/images",
            data={"filters": "negative,emboss", "format": "png"},
            files={"image": (photos[0].name, photos[0].read_bytes())},
        )
        return finished(http, answer.json()["jobs"][0]["id"])

    first = develop()
    address = f"/v1/jobs/{first['id']}/result"
    picture = http.get(address).content
    event = redis.hget(keys.job(0, first["id"]), "event")
    assert isinstance(event, bytes)
    asyncio.run(store.delete_async([json.loads(event)["result"]["key"]]))
    # Who asks for the bytes learns that they are gone, and so does the cache.
    assert http.get(address).status_code == 410
    again = develop()
    assert not again["cached"]
    assert http.get(f"/v1/jobs/{again['id']}/result").content == picture
