import io
import zipfile
from urllib.parse import quote

import httpx
import pytest

from shared.blobs import BlobStore, blob_key, digest_of
from tests.results.story import Story, processed

PICTURES = [bytes([number]) * (1000 + number) for number in range(4)]


@pytest.fixture
def redis_url(one_server: str) -> str:
    """How bytes are sent does not depend on the server."""
    return one_server


@pytest.fixture
def store(blob_url: str) -> BlobStore:
    return BlobStore(blob_url)


async def finish_with(story: Story, store: BlobStore, job_id: str, picture: bytes) -> None:
    key = blob_key("results", "local", digest_of(picture))
    store.put(key, picture)
    await story.project(processed(await story.upload_of(job_id), key=key, size=len(picture)))


async def test_an_archive_holds_every_result_under_a_name_of_its_own(
    story: Story, store: BlobStore, http: httpx.AsyncClient
) -> None:
    job_ids = await story.submit("cat.png", "CAT.jpg", "../été.gif", "later.jpg", filters=[{"name": "sepia"}])
    for job_id, picture in zip(job_ids[:3], PICTURES, strict=False):
        await finish_with(story, store, job_id, picture)
    answer = await http.get("/v1/batches/0-batch/archive")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="darkroom-0-batch.zip"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["cat-sepia.jpg", "CAT-sepia (2).jpg", "été-sepia.jpg"]
        alone = [(await http.get(f"/v1/jobs/{job_id}/result")).headers["content-disposition"] for job_id in job_ids[:3]]
        assert [quote("cat-sepia.jpg"), quote("CAT-sepia.jpg"), quote("été-sepia.jpg")] == [
            disposition.rpartition("''")[2] for disposition in alone
        ]
        assert [archive.read(name) for name in archive.namelist()] == PICTURES[:3]


async def test_a_batch_with_nothing_done_has_no_archive(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.png")
    await story.fail(job_id)
    answer = await http.get("/v1/batches/0-batch/archive")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_done")


async def test_an_archive_of_named_jobs_holds_those_and_no_other(
    story: Story, store: BlobStore, http: httpx.AsyncClient
) -> None:
    first = await story.submit("a.jpg", "b.jpg", batch="0-one")
    second = await story.submit("a.jpg", batch="0-two")
    for job_id, picture in zip([*first, *second], PICTURES, strict=False):
        await finish_with(story, store, job_id, picture)
    answer = await http.post("/v1/archives", data={"job": [second[0], first[0], second[0]]})
    assert answer.headers["content-disposition"] == 'attachment; filename="darkroom.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["a.jpg", "a (2).jpg"]
        assert [archive.read(name) for name in archive.namelist()] == [PICTURES[2], PICTURES[0]]


async def test_without_one_of_its_pictures_there_is_no_archive(
    story: Story, store: BlobStore, http: httpx.AsyncClient
) -> None:
    done, queued, deleted = await story.submit("a.jpg", "b.jpg", "c.jpg")
    for job_id in (done, deleted):
        await finish_with(story, store, job_id, PICTURES[0])
    await http.delete(f"/v1/jobs/{deleted}")
    for other, refusal in ((queued, (409, "not_done")), (deleted, (410, "expired")), ("0-none", (404, "not_found"))):
        answer = await http.post("/v1/archives", data={"job": [done, other]})
        assert (answer.status_code, answer.json()["code"]) == refusal


@pytest.mark.parametrize(
    ("form", "refusal"),
    [
        (b"", (422, "invalid_parameter")),
        (b"batch=0-one", (422, "invalid_parameter")),
        (b"job=\xff", (422, "invalid_parameter")),
        (b"job=0-a&" * 10_001, (422, "invalid_parameter")),
        (b"job=" + b"x" * 1_000_000, (413, "too_many_bytes")),
    ],
)
async def test_a_form_that_names_no_jobs_is_refused(
    http: httpx.AsyncClient, form: bytes, refusal: tuple[int, str]
) -> None:
    answer = await http.post("/v1/archives", content=form)
    assert (answer.status_code, answer.json()["code"]) == refusal


async def test_an_archive_that_cannot_be_whole_is_cut_off_and_never_passes_for_whole(
    story: Story, store: BlobStore, http: httpx.AsyncClient
) -> None:
    (job_id,) = await story.submit("cat.png")
    await finish_with(story, store, job_id, PICTURES[0])
    await store.delete_async([blob_key("results", "local", digest_of(PICTURES[0]))])
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get("/v1/batches/0-batch/archive")
