from collections.abc import Awaitable, Callable

import httpx
import pytest
from pydantic import TypeAdapter
from structlog.testing import capture_logs

from services.results.cancel import cancel_or_delete
from services.results.models import JobDocument
from services.results.reader import Reader
from shared import keys
from shared.records import JobRecord
from tests.results.story import Story, failed, processed, upload
from tests.support.recording import recorded


async def test_the_document_of_a_job_is_what_openapi_says(story: Story, http: httpx.AsyncClient) -> None:
    queued, done, broken = await story.submit("a.jpg", "b.jpg", "c.jpg", width=10, height=20, media_type="image/png")
    await story.start(done)
    await story.finish(done)
    await story.fail(broken)
    documents = {job_id: (await http.get(f"/v1/jobs/{job_id}")).json() for job_id in (queued, done, broken)}
    for document in documents.values():
        TypeAdapter(JobDocument).validate_python(document)
    assert (documents[queued]["width"], documents[queued]["media_type"]) == (10, "image/png")
    assert (documents[done]["width"], documents[done]["media_type"]) == (4, "image/jpeg")
    assert documents[done]["timings"] == {"decode": 1.5}
    assert documents[broken]["error"] == {"code": "corrupt_image", "message": "The image is damaged."}
    assert documents[queued]["finished"] is None
    assert documents[done]["finished"].endswith("Z")


async def test_a_cancelled_job_leads_to_the_request_that_cancelled_it_and_back(
    story: Story, http: httpx.AsyncClient
) -> None:
    (job_id,) = await story.submit("cat.jpg", webhook="https://example.com/")
    await story.redis.hset(keys.job(0, job_id), "trace", "4bf92f3577b34da6a3ce929d0e0e4736")
    with capture_logs() as lines, recorded("results") as spans:
        await http.delete(f"/v1/jobs/{job_id}")
    (line,) = [line for line in lines if line["event"] == "job ended"]
    assert (line["job_id"], line["state"]) == (job_id, "cancelled")
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    (span,) = [span for span in spans if span.name == "DELETE /v1/jobs/{job_id}"]
    assert (line["request_trace_id"], line["request_span_id"]) == (span.trace, span.span)
    assert span.attributes["darkroom.job.id"] == job_id
    assert span.attributes["darkroom.previous.trace_id"] == line["trace_id"]
    (told, *_) = await story.redis.xrange(keys.hooks(0))
    assert told[1][b"traceparent"].decode() == span.traceparent, "its webhook follows from that request"


async def test_a_bulk_job_is_found_by_its_entry_on_every_path(story: Story, http: httpx.AsyncClient) -> None:
    """All that its publisher knows is what XADD answered."""
    entry, known = "1795496941042-0", "0-bulk-1795496941042-0"
    await story.project(failed(upload(known)))
    for path in ("", "/original", "/events"):
        answer = await http.get(f"/v1/jobs/0-{entry}{path}")
        assert answer.status_code == (410 if path == "/original" else 200), answer.text
    assert (await http.get(f"/v1/jobs/0-{entry}")).json()["id"] == known
    assert (await http.get(f"/v1/jobs/0-{entry}/result")).status_code == 409
    assert (await http.post(f"/v1/jobs/0-{entry}/links")).json()["code"] == "invalid_request"
    assert (await http.post(f"/v1/jobs/0-{entry}/retry")).json()["id"] == known
    assert (await story.job(known)).run == 2
    for state in ("cancelled", "deleted"):
        answer = await http.delete(f"/v1/jobs/0-{entry}")
        assert (answer.json()["id"], answer.json()["state"]) == (known, state)
    await story.project(failed(upload(f"0-{entry}")))
    assert (await http.get(f"/v1/jobs/0-{entry}")).json()["id"] == f"0-{entry}", "the job of exactly that id goes first"


async def test_a_job_that_waits_to_be_recorded_is_not_mistaken_for_a_bulk_one(
    story: Story, http: httpx.AsyncClient
) -> None:
    await story.project(failed(upload("0-bulk-1795496941042-0")))
    await story.redis.xadd(keys.uploaded(0), {"data": "{}"}, id="1795496941042-0")
    assert (await http.get("/v1/jobs/0-1795496941042-0")).status_code == 404
    assert (await http.delete("/v1/jobs/0-1795496941042-0")).status_code == 404


@pytest.mark.parametrize(
    "job_id", ["0-nothing", "0-1795496941042-0", "7-elsewhere", "nonsense", "0-%2e%2e", "0-" + "x" * 65]
)
async def test_an_unknown_job_is_not_found(http: httpx.AsyncClient, job_id: str) -> None:
    answer = await http.get(f"/v1/jobs/{job_id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


async def test_the_job_of_another_owner_is_not_found(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg", owner="ann")
    for path in ("", "/result", "/original", "/events"):
        assert (await http.get(f"/v1/jobs/{job_id}{path}")).status_code == 404
    assert (await http.delete(f"/v1/jobs/{job_id}")).status_code == 404
    assert (await http.get("/v1/jobs")).json() == {"jobs": [], "next": None}
    assert (await http.get("/v1/jobs?batch=0-batch")).json()["jobs"] == []


async def test_pages_hold_every_job_once_newest_first(story: Story, http: httpx.AsyncClient) -> None:
    expected = []
    for number in range(3):
        expected += await story.submit(*(f"{number}-{n}.jpg" for n in range(9)), batch=f"0-b{number}")
    seen: list[str] = []
    cursor = None
    while True:
        page = (await http.get("/v1/jobs", params={"limit": 5} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(expected)
    assert len(seen) == len(set(seen))
    created = [(await story.job(job_id)).created for job_id in seen]
    assert created == sorted(created, reverse=True)


async def test_pages_are_filtered_by_state_and_batch(story: Story, http: httpx.AsyncClient) -> None:
    first = await story.submit("a.jpg", "b.jpg", batch="0-one")
    await story.submit("c.jpg", batch="0-two")
    await story.finish(first[0])
    answer = (await http.get("/v1/jobs", params={"state": "done"})).json()
    assert [job["id"] for job in answer["jobs"]] == [first[0]]
    answer = (await http.get("/v1/jobs", params={"batch": "0-one", "state": "queued"})).json()
    assert [job["id"] for job in answer["jobs"]] == [first[1]]
    assert (await http.get("/v1/jobs", params={"batch": "0-none"})).json()["jobs"] == []


async def test_an_empty_parameter_is_one_that_was_not_given(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("a.jpg")
    answer = (await http.get("/v1/jobs?state=&batch=&cursor=")).json()
    assert [job["id"] for job in answer["jobs"]] == [job_id]


@pytest.mark.parametrize("query", ["state=odd", "limit=0", "limit=201", "cursor=%00", "cursor=AAAA", "limit=x"])
async def test_a_wrong_query_says_what_is_wrong(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_parameter"
    assert query.split("=", maxsplit=1)[0] in answer.json()["detail"]


async def test_deleting_a_live_job_cancels_it(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    event = await story.upload_of(job_id)
    answer = await http.delete(f"/v1/jobs/{job_id}")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["finished"] is not None
    assert (await http.get(f"/v1/jobs/{job_id}/result")).status_code == 409
    # What a worker publishes afterwards comes too late.
    await story.project(processed(event))
    assert (await story.job(job_id)).state == "cancelled"


async def test_a_job_whose_retention_is_over_is_expired_to_its_owner(story: Story, http: httpx.AsyncClient) -> None:
    over, deleted = await story.submit("cat.jpg", "dog.jpg")
    await story.finish(over, deleted)
    assert (await http.delete(f"/v1/jobs/{deleted}")).status_code == 200
    # What the time to live of the records comes to.
    await story.redis.delete(keys.job(0, over), keys.job(0, deleted))
    for job_id in (over, deleted):
        for path in ("", "/result", "/original", "/events"):
            gone = await http.get(f"/v1/jobs/{job_id}{path}")
            assert (gone.status_code, gone.json()["code"]) == (410, "expired")
        assert (await http.delete(f"/v1/jobs/{job_id}")).status_code == 410
        assert (await http.post(f"/v1/jobs/{job_id}/retry")).status_code == 410
    assert (await http.get("/v1/jobs")).json()["jobs"] == []
    await story.redis.delete(keys.index(0, "local"))
    assert (await http.get(f"/v1/jobs/{over}")).status_code == 404


async def test_deleting_a_finished_job_leaves_a_tombstone(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.finish(job_id)
    answer = await http.delete(f"/v1/jobs/{job_id}")
    assert (answer.status_code, answer.json()["state"]) == (200, "deleted")
    for path in ("", "/result", "/original"):
        gone = await http.get(f"/v1/jobs/{job_id}{path}")
        assert (gone.status_code, gone.json()["code"]) == (410, "expired")
    assert (await http.get("/v1/jobs")).json()["jobs"] == []
    assert (await http.delete(f"/v1/jobs/{job_id}")).json()["state"] == "deleted"


class EarlierReader(Reader):
    """Reads a job the first time as it was before what happens then."""

    def __init__(self, story: Story, happens: Callable[[str], Awaitable[object]]) -> None:
        super().__init__(story.redis, partitions=1)
        self._happens: Callable[[str], Awaitable[object]] | None = happens

    async def job(self, owner: str, job_id: str) -> JobRecord:
        record = await super().job(owner, job_id)
        if self._happens is not None:
            happens, self._happens = self._happens, None
            await happens(job_id)
        return record


@pytest.mark.parametrize("ending", ["done", "failed", "cancelled"])
async def test_a_live_job_that_ends_at_the_same_moment_is_not_deleted(story: Story, ending: str) -> None:
    (job_id,) = await story.submit("cat.jpg")

    async def cancel(job_id: str) -> None:
        await cancel_or_delete(Reader(story.redis, partitions=1), "local", job_id, retention=3600)

    end = {"done": story.finish, "failed": story.fail, "cancelled": cancel}[ending]
    record = await cancel_or_delete(EarlierReader(story, end), "local", job_id, retention=3600)
    assert record.state == ending
    assert (await story.job(job_id)).state == ending
    assert await story.redis.hget(keys.batch(0, "0-batch"), "terminal") == b"1"


async def test_an_ended_job_that_runs_anew_at_the_same_moment_is_left_alone(
    story: Story, http: httpx.AsyncClient
) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.fail(job_id)
    again = EarlierReader(story, lambda job_id: http.post(f"/v1/jobs/{job_id}/retry"))
    record = await cancel_or_delete(again, "local", job_id, retention=3600)
    assert (record.state, record.run) == ("queued", 2)


async def test_a_job_can_be_cancelled_while_the_server_is_full(http: httpx.AsyncClient, story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.redis.config_set("maxmemory", 1)
    try:
        assert (await http.delete(f"/v1/jobs/{job_id}")).json()["state"] == "cancelled"
    finally:
        await story.redis.config_set("maxmemory", 0)
