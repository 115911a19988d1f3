"""What a job went through: earlier runs stay told when it runs again, and a plain job pays nothing for it."""

import httpx
import pytest

from shared import keys, records
from shared.records import Moment
from tests.results.story import Story, failed, started
from tests.results.test_dead_letters import given_up

Told = list[tuple[int, int, str, str | None]]


@pytest.fixture
def redis_url(one_server: str) -> str:
    """What is kept does not depend on the server, and every script runs on both in tests of its own."""
    return one_server


def told(moments: list[Moment]) -> Told:
    return [(moment.run, moment.attempt, moment.state, moment.code) for moment in moments]


async def test_a_run_that_failed_is_told_after_the_next_has_begun(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    event = await story.upload_of(job_id)
    await story.project(started(event), failed(event, attempt=2), traceparent=f"00-{'1' * 32}-{'2' * 16}-01")
    before = await story.job(job_id)

    await http.post(f"/v1/jobs/{job_id}/retry")

    job = await story.job(job_id)
    assert told(list(job.past)) == [
        (1, 1, "processing", None),
        (1, 2, "failed", "corrupt_image"),
        (2, 0, "queued", None),
    ]
    assert [moment.at for moment in job.past[:2]] == [before.started, before.finished]
    assert [moment.trace for moment in job.past[:2]] == ["1" * 32] * 2
    document = (await http.get(f"/v1/jobs/{job_id}")).json()
    assert document["earlier"][1] == {
        "at": records.timestamp(before.finished),
        "run": 1,
        "attempt": 2,
        "state": "failed",
        "code": "corrupt_image",
        "trace_id": "1" * 32,
        "trace_url": None,
    }


async def test_a_run_that_was_buried_is_told_after_its_replay(story: Story, http: httpx.AsyncClient) -> None:
    job_id, letter_id = await given_up(story)
    await http.post(f"/v1/dead-letters/{letter_id}/replay")
    assert told(list((await story.job(job_id)).past)) == [(1, 5, "failed", "gave_up"), (2, 0, "queued", None)]


async def test_however_often_a_job_runs_again_its_record_stays_small(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    for _ in range(30):
        await story.start(job_id)
        await story.fail(job_id)
        await http.post(f"/v1/jobs/{job_id}/retry")
    past = (await story.job(job_id)).past
    assert past[-1].run == 31
    assert len(past) < 90
    assert await story.redis.hstrlen(keys.job(0, job_id), "past") <= 2000


async def test_a_job_that_was_developed_at_once_keeps_no_history(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.start(job_id)
    await story.finish(job_id)
    assert not await story.redis.hexists(keys.job(0, job_id), "past")
    assert (await http.get(f"/v1/jobs/{job_id}")).json()["earlier"] == []


async def test_a_deleted_job_keeps_no_history(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.fail(job_id)
    await http.post(f"/v1/jobs/{job_id}/retry")
    await story.finish(job_id)
    await http.delete(f"/v1/jobs/{job_id}")
    assert not await story.redis.hexists(keys.job(0, job_id), "past")
