import httpx
from pydantic import TypeAdapter

from services.results.models import BatchDocument
from tests.results.story import Story


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
