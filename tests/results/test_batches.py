import httpx
from pydantic import TypeAdapter

from services.results.models import BatchDocument
from shared import keys
from tests.results.story import Story, processed, upload


async def test_a_batch_counts_its_jobs_by_state(story: Story, http: httpx.AsyncClient) -> None:
    queued, working, done, broken = await story.submit("a.jpg", "b.jpg", "c.jpg", "d.jpg", expected=5)
    await story.start(working)
    await story.finish(done)
    await story.fail(broken)
    document = (await http.get("/v1/batches/0-batch")).json()
    TypeAdapter(BatchDocument).validate_python(document)
    assert document["counts"] == {"queued": 1, "processing": 1, "done": 1, "failed": 1}
    assert (document["expected"], document["total"], document["terminal"]) == (5, 4, 2)
    assert document["complete"] is False
    await http.delete(f"/v1/jobs/{queued}")
    await story.finish(working)
    await story.finish(*await story.submit("e.jpg", expected=5))
    document = (await http.get("/v1/batches/0-batch")).json()
    assert document["complete"] is True
    assert document["counts"] == {"cancelled": 1, "done": 3, "failed": 1}


async def test_a_batch_of_another_owner_is_not_found(story: Story, http: httpx.AsyncClient) -> None:
    await story.submit("a.jpg", owner="ann")
    for path in ("/v1/batches/0-batch", "/v1/batches/0-none", "/v1/batches/0-batch/archive"):
        assert (await http.get(path)).status_code == 404


async def test_a_closed_batch_waits_for_no_more_than_it_has(story: Story, http: httpx.AsyncClient) -> None:
    one, two = await story.submit("a.jpg", "b.jpg", expected=20)
    await story.finish(one)
    closed = await http.post("/v1/batches/0-batch/close")
    assert closed.status_code == 200
    TypeAdapter(BatchDocument).validate_python(closed.json())
    assert (closed.json()["expected"], closed.json()["terminal"], closed.json()["complete"]) == (2, 1, False)
    await story.finish(two)
    assert (await http.get("/v1/batches/0-batch")).json()["complete"] is True


async def test_a_batch_that_was_closed_stays_closed(story: Story, http: httpx.AsyncClient) -> None:
    (one,) = await story.submit("a.jpg", expected=20)
    first = (await http.post("/v1/batches/0-batch/close")).json()
    assert (await http.post("/v1/batches/0-batch/close")).json() == first
    # A late upload that still tells the old number, and a job that nobody recorded before a worker told of it.
    (late,) = await story.submit("late.jpg", expected=20)
    await story.project(processed(upload("0-unknown", batch="0-batch", expected=20)))
    await story.finish(one, late)
    document = (await http.post("/v1/batches/0-batch/close")).json()
    assert (document["expected"], document["total"], document["complete"]) == (1, 3, True)


async def test_only_its_owner_closes_a_batch(story: Story, http: httpx.AsyncClient) -> None:
    await story.submit("a.jpg", owner="ann", expected=20)
    for path in ("/v1/batches/0-batch/close", "/v1/batches/0-none/close"):
        assert (await http.post(path)).status_code == 404
    assert await story.redis.hget(keys.batch(0, "0-batch"), "expected") == b"20"


async def test_a_complete_batch_is_kept_as_long_as_its_jobs(story: Story, http: httpx.AsyncClient) -> None:
    await story.finish(*await story.submit("a.jpg", expected=20))
    assert await story.redis.ttl(keys.batch(0, "0-batch")) > 3600
    await http.post("/v1/batches/0-batch/close")
    for key in (keys.batch(0, "0-batch"), keys.batch_jobs(0, "0-batch")):
        assert 0 < await story.redis.ttl(key) <= 3600
