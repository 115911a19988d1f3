"""What an accepted upload leaves behind: a stored original, a recorded job, one event."""

from hashlib import sha256

import msgspec
import pytest

from shared import keys
from shared.blobs import blob_key
from shared.events import ImageUploaded, Output
from tests.ingest.pictures import picture
from tests.ingest.running import Running, Start, assert_problem


async def test_a_raw_body_becomes_one_job_and_one_event(ingest: Running) -> None:
    data = picture()

    response = await ingest.http.post(
        "/v1/images", params={"filters": "sepia,blur:size=5", "format": "jpg", "quality": "80"}, content=data
    )

    assert response.status_code == 202
    answer = response.json()
    (job,) = answer["jobs"]
    assert job["state"] == "queued"
    assert job["links"]["result"] == f"/v1/jobs/{job['id']}/result"
    (entry,) = await ingest.entries()
    event = msgspec.json.decode(entry[b"data"], type=ImageUploaded)
    assert event.job_id == job["id"]
    assert event.batch == answer["batch"]
    assert event.filters == [{"name": "sepia"}, {"name": "blur", "size": 5}]
    assert event.output == Output("jpeg", 80)
    assert (event.media_type, event.width, event.height, event.bytes_in) == ("image/jpeg", 40, 30, len(data))
    assert event.source.endswith(sha256(data).hexdigest())
    assert bytes(ingest.store.get(event.source)) == data


async def test_the_result_of_auto_has_the_format_that_the_sender_accepts(ingest: Running) -> None:
    headers = {"Accept": "image/webp,*/*;q=0.8"}
    response = await ingest.http.post("/v1/images", params={"format": "auto"}, content=picture(), headers=headers)

    assert response.status_code == 202
    (entry,) = await ingest.entries()
    assert msgspec.json.decode(entry[b"data"], type=ImageUploaded).output == Output("webp")


async def test_a_job_is_readable_as_soon_as_its_202(ingest: Running) -> None:
    response = await ingest.http.post("/v1/images", content=picture())

    record = await ingest.job(response.json()["jobs"][0]["id"])
    assert record["state"] == "queued"
    assert record["owner"] == "local"
    assert record["batch"] == response.json()["batch"]
    assert record["version"] == "1"
    assert await ingest.redis.ttl(keys.job(0, response.json()["jobs"][0]["id"])) > keys.LIVE_TTL - 60


async def test_many_parts_become_jobs_of_one_batch_in_their_order(ingest: Running) -> None:
    files = [("image", (f"{n}.png", picture("PNG", shade=n))) for n in range(5)]

    response = await ingest.http.post("/v1/images", data={"filters": '[{"name":"sepia"}]'}, files=files)

    assert response.status_code == 202
    events = [msgspec.json.decode(entry[b"data"], type=ImageUploaded) for entry in await ingest.entries()]
    assert [event.job_id for event in events] == [job["id"] for job in response.json()["jobs"]]
    assert [event.name for event in events] == [f"{n}.png" for n in range(5)]
    assert {event.expected for event in events} == {5}
    batch = await ingest.redis.hgetall(keys.batch(0, response.json()["batch"]))
    assert batch[b"total"] == b"5"
    assert batch[b"expected"] == b"5"


async def test_fields_may_come_after_the_images(ingest: Running) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + picture() + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="filters"\r\n\r\nsepia\r\n--b--\r\n'
    )

    response = await ingest.http.post(
        "/v1/images", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert response.status_code == 202
    (entry,) = await ingest.entries()
    assert msgspec.json.decode(entry[b"data"], type=ImageUploaded).filters == [{"name": "sepia"}]


async def test_requests_join_one_batch(ingest: Running) -> None:
    for _ in range(2):
        response = await ingest.http.post("/v1/images", params={"batch": "holiday", "expected": "2"}, content=picture())
        assert response.json()["batch"] == "holiday"

    batch = await ingest.redis.hgetall(keys.batch(0, "holiday"))
    assert (batch[b"total"], batch[b"expected"]) == (b"2", b"2")
    assert await ingest.redis.zcard(keys.batch_jobs(0, "holiday")) == 2


async def test_bulk_goes_to_its_own_stream(ingest: Running) -> None:
    response = await ingest.http.post("/v1/images", params={"priority": "bulk"}, content=picture())

    assert await ingest.entries() == []
    assert len(await ingest.entries(keys.uploaded(0, bulk=True))) == 1
    assert (await ingest.job(response.json()["jobs"][0]["id"]))["bulk"] == "1"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF"])
async def test_every_format_that_is_read_is_told_by_its_bytes(ingest: Running, kind: str) -> None:
    response = await ingest.http.post(
        "/v1/images", content=picture(kind, 31, 17), headers={"Content-Type": "text/plain"}
    )

    assert response.status_code == 202
    (entry,) = await ingest.entries()
    event = msgspec.json.decode(entry[b"data"], type=ImageUploaded)
    assert event.media_type == f"image/{kind.lower()}"
    assert (event.width, event.height) == (31, 17)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
async def test_a_large_upload_goes_through_a_file_and_stays_whole(start: Start, kind: str) -> None:
    ingest = await start(upload_memory=1000)
    data = picture(kind) + bytes(300_000)

    raw = await ingest.http.post("/v1/images", content=data)
    parts = await ingest.http.post("/v1/images", files={"image": data})

    assert (raw.status_code, parts.status_code) == (202, 202)
    for entry in await ingest.entries():
        event = msgspec.json.decode(entry[b"data"], type=ImageUploaded)
        assert bytes(ingest.store.get(event.source)) == data
    assert ingest.service.uploads.budget.used == 0


async def test_listeners_hear_of_a_queued_job(ingest: Running) -> None:
    async with ingest.redis.pubsub() as listener:
        await listener.subscribe(keys.changes(0))
        await listener.get_message(timeout=5)

        response = await ingest.http.post("/v1/images", content=picture())

        message = await listener.get_message(timeout=5)
    assert message is not None
    job = response.json()["jobs"][0]["id"]
    change = {"v": 1, "job": job, "batch": response.json()["batch"], "owner": "local", "state": "queued"}
    assert msgspec.json.decode(message["data"]) == [change]


async def test_an_original_of_today_is_named_instead_of_sent_again(ingest: Running) -> None:
    data = picture()
    await ingest.http.post("/v1/images", params={"filters": "sepia"}, content=data)
    first = msgspec.json.decode((await ingest.entries())[0][b"data"], type=ImageUploaded)

    response = await ingest.http.post("/v1/images", params={"source": first.source, "filters": "blur", "name": "a.jpg"})

    assert response.status_code == 202, response.text
    second = msgspec.json.decode((await ingest.entries())[1][b"data"], type=ImageUploaded)
    assert (second.source, second.name, second.bytes_in) == (first.source, "a.jpg", len(data))
    assert second.filters == [{"name": "blur"}]


@pytest.mark.parametrize(
    ("owner", "day", "code"),
    [
        ("someone", None, "invalid_parameter"),
        ("local", "2020-01-01", "invalid_parameter"),
        ("local", None, "source_not_found"),
    ],
)
async def test_nobody_elses_nor_an_old_original_can_be_named(
    ingest: Running, owner: str, day: str | None, code: str
) -> None:
    source = blob_key("originals", owner, "c0ffee00" * 8, day=day)
    if code == "invalid_parameter":
        await ingest.store.put_async(source, picture())
    response = await ingest.http.post("/v1/images", params={"source": source})
    assert_problem(response, 422, code)
    assert await ingest.entries() == []
