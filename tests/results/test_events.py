"""Server-sent events over real HTTP, with one and with two replicas."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from services.results.settings import ResultsSettings
from shared import keys
from tests.results.conftest import Replica
from tests.results.story import Story, started
from tests.support.waiting import eventually


@dataclass
class Follower:
    """One client of a stream of events; what it has received so far."""

    events: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    comments: int = 0
    closed: bool = False

    def states(self, job_id: str) -> list[str]:
        return [data["state"] for kind, _, data in self.events if kind == "message" and data["id"] == job_id]

    @property
    def ids(self) -> list[int]:
        return [number for _, number, _ in self.events]

    async def read(self, response: httpx.Response) -> None:
        kind, number = "message", 0
        async for line in response.aiter_lines():
            name, _, value = line.partition(":")
            if name == "" and line:
                self.comments += 1
            elif name == "event":
                kind = value.strip()
            elif name == "id":
                number = int(value)
            elif name == "data":
                self.events.append((kind, number, json.loads(value)))
                kind = "message"
        self.closed = True


@asynccontextmanager
async def follow(replica: Replica, path: str, **headers: str) -> AsyncIterator[Follower]:
    follower = Follower()
    async with replica.client.stream("GET", path, headers=headers, timeout=None) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        reading = asyncio.create_task(follower.read(response))
        try:
            yield follower
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_a_job_is_followed_from_its_snapshot_to_its_end(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("cat.jpg")
    async with follow(replica, f"/v1/jobs/{job_id}/events") as follower:
        await eventually(lambda: follower.states(job_id) == ["queued"])
        await story.start(job_id)
        await eventually(lambda: follower.states(job_id) == ["queued", "processing"])
        await story.finish(job_id)
        await eventually(lambda: follower.closed)
    assert follower.states(job_id) == ["queued", "processing", "done"]
    assert follower.events[-1][0] == "end"
    assert follower.events[-1][2] == {"job": job_id}
    assert follower.ids == sorted(follower.ids)


async def test_a_finished_job_is_told_at_once_and_the_stream_ends(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.fail(job_id)
    async with follow(replica, f"/v1/jobs/{job_id}/events") as follower:
        await eventually(lambda: follower.closed)
    assert follower.states(job_id) == ["failed"]


async def test_a_batch_ends_when_all_expected_jobs_are_terminal(story: Story, replica: Replica) -> None:
    first = await story.submit("a.jpg", "b.jpg", expected=3)
    async with follow(replica, "/v1/events?batch=0-batch") as follower:
        await story.finish(*first)
        await eventually(lambda: all(follower.states(job_id)[-1:] == ["done"] for job_id in first))
        (last,) = await story.submit("c.jpg", expected=3)
        await eventually(lambda: follower.states(last) == ["queued"])
        assert not follower.closed
        await story.fail(last)
        await eventually(lambda: follower.closed)
    assert follower.states(last) == ["queued", "failed"]
    kind, _, end = follower.events[-1]
    assert kind == "end"
    assert end == {"batch": "0-batch", **(await replica.client.get("/v1/batches/0-batch")).json()}
    assert end["counts"] == {"done": 2, "failed": 1}


async def test_who_follows_a_batch_hears_that_it_was_closed(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg", expected=3)
    await story.finish(job_id)
    async with (
        follow(replica, "/v1/events?batch=0-batch") as follower,
        follow(replica, f"/v1/jobs/{job_id}/events") as of_the_job,
    ):
        await eventually(lambda: follower.states(job_id) == ["done"])
        assert not follower.closed
        await replica.client.post("/v1/batches/0-batch/close")
        await eventually(lambda: follower.closed and of_the_job.closed)
    assert [(kind, told.get("complete")) for kind, _, told in follower.events][1:] == [("end", True)]
    assert of_the_job.events[-1][2] == {"job": job_id}


async def test_every_replica_hears_every_change(story: Story, replica: Replica, other_replica: Replica) -> None:
    job_ids = await story.submit(*(f"{n}.jpg" for n in range(5)))
    path = "/v1/events?batch=0-batch"
    async with follow(replica, path) as one, follow(other_replica, path) as two, follow(replica, path) as three:
        await eventually(lambda: all(len(client.events) == 5 for client in (one, two, three)))
        await story.finish(*job_ids)
        await eventually(lambda: one.closed and two.closed and three.closed)
    for client in (one, two, three):
        assert all(client.states(job_id)[-1] == "done" for job_id in job_ids)


async def test_a_client_that_comes_back_gets_only_what_it_missed(story: Story, replica: Replica) -> None:
    one, two = await story.submit("a.jpg", "b.jpg")
    async with follow(replica, "/v1/events?batch=0-batch") as follower:
        await eventually(lambda: len(follower.events) == 2)
    last_id = follower.ids[-1]
    await story.start(one)
    async with follow(replica, "/v1/events?batch=0-batch", **{"Last-Event-ID": str(last_id)}) as follower:
        await eventually(lambda: follower.states(one) == ["processing"])
        await story.finish(one, two)
        await eventually(lambda: follower.closed)
    assert follower.states(one) == ["processing", "done"]
    assert follower.states(two) == ["done"]


async def test_an_id_of_another_time_or_nonsense_gives_the_whole_snapshot(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg")
    await story.finish(job_id)
    for header in ("999999999", "nonsense", "-1", "1e3"):
        async with follow(replica, f"/v1/jobs/{job_id}/events", **{"Last-Event-ID": header}) as follower:
            await eventually(lambda f=follower: f.closed)
        assert follower.states(job_id) == ["done"]


async def test_no_id_promises_more_than_was_sent(story: Story, replica: Replica) -> None:
    """A client that resumes from any id it was given misses no change, however changes and reads interleave."""
    job_ids = await story.submit(*(f"{n}.jpg" for n in range(20)))
    async with follow(replica, "/v1/events?batch=0-batch") as follower:
        for job_id in job_ids:
            await story.start(job_id)
            await story.finish(job_id)
        await eventually(lambda: follower.closed)
    versions = {job_id: (await story.job(job_id)).version for job_id in job_ids}
    for position, (_, number, _) in enumerate(follower.events):
        seen_final = {data["id"] for _, _, data in follower.events[: position + 1] if data.get("state") == "done"}
        assert {job_id for job_id, version in versions.items() if version <= number} <= seen_final


async def test_a_cancelled_and_a_deleted_job_end_the_stream(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg")
    async with follow(replica, f"/v1/jobs/{job_id}/events") as follower:
        await eventually(lambda: follower.states(job_id) == ["queued"])
        await replica.client.delete(f"/v1/jobs/{job_id}")
        await eventually(lambda: follower.closed)
    assert follower.states(job_id) == ["queued", "cancelled"]


async def test_there_is_no_stream_of_a_job_deleted_before(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg")
    await story.finish(job_id)
    assert (await replica.client.delete(f"/v1/jobs/{job_id}")).json()["state"] == "deleted"
    answer = await replica.client.get(f"/v1/jobs/{job_id}/events")
    assert (answer.status_code, answer.json()["code"]) == (410, "expired")


async def test_a_quiet_stream_is_kept_alive(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg")
    async with follow(replica, f"/v1/jobs/{job_id}/events") as follower:
        await eventually(lambda: follower.comments >= 2)


async def test_a_drain_ends_streams_without_saying_the_end(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg")
    async with follow(replica, f"/v1/jobs/{job_id}/events") as follower:
        await eventually(lambda: follower.states(job_id) == ["queued"])
        replica.service.health.draining = True
        await eventually(lambda: follower.closed, timeout=2)
    assert "end" not in [kind for kind, _, _ in follower.events]


async def test_one_connection_serves_all_clients_and_none_is_held_without_any(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg")

    async def subscribed() -> int:
        return int((await story.redis.pubsub_numsub(keys.changes(0)))[0][1])

    assert await subscribed() == 0
    path = f"/v1/jobs/{job_id}/events"
    async with follow(replica, path) as one, follow(replica, path) as two:
        await eventually(lambda: one.events and two.events)
        assert await subscribed() == 1
        assert replica.service.listener.clients == 2
    await eventually(lambda: replica.service.listener.clients == 0)

    async def left() -> bool:
        return await subscribed() == 0

    await eventually(left)


async def test_a_lost_connection_to_redis_loses_no_change(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg")
    async with follow(replica, f"/v1/jobs/{job_id}/events") as follower:
        await eventually(lambda: follower.states(job_id) == ["queued"])
        await story.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        # Nobody is subscribed at this moment: the change is announced to no one.
        await story.finish(job_id)
        await eventually(lambda: follower.closed)
    assert follower.states(job_id)[-1] == "done"


async def test_a_server_that_says_nothing_is_asked_and_then_left(story: Story, replica: Replica) -> None:
    (job_id,) = await story.submit("a.jpg")
    replica.service.listener._silence = 0.1

    async def connection() -> str | None:
        clients = await story.redis.client_list(_type="pubsub")
        return str(clients[0]["id"]) if clients else None

    async with follow(replica, f"/v1/jobs/{job_id}/events") as follower:
        await eventually(lambda: follower.states(job_id) == ["queued"])
        first = await connection()
        await story.redis.execute_command("CLIENT", "PAUSE", 1500, "ALL")

        async def another() -> bool:
            return await connection() not in {None, first}

        await eventually(another)
        await story.finish(job_id)
        await eventually(lambda: follower.closed)
    assert follower.states(job_id)[-1] == "done"


async def test_a_replayed_job_opens_its_batch_again(story: Story, replica: Replica) -> None:
    (job_id, other) = await story.submit("a.jpg", "b.jpg")
    event = await story.upload_of(job_id)
    await story.fail(job_id)
    async with follow(replica, "/v1/events?batch=0-batch") as follower:
        await eventually(lambda: follower.states(job_id) == ["failed"])
        await story.project(started(msgspec.structs.replace(event, run=2)))
        await story.finish(other)
        await eventually(lambda: follower.states(other)[-1:] == ["done"])
        assert not follower.closed
        await story.finish(job_id)
        await eventually(lambda: follower.closed)
    assert follower.states(job_id) == ["failed", "processing", "done"]


async def test_jobs_whose_record_is_over_do_not_hold_up_the_end(story: Story, replica: Replica) -> None:
    over, other = await story.submit("a.jpg", "b.jpg")
    await story.finish(over)
    await story.redis.delete(keys.job(0, over))
    async with follow(replica, "/v1/events?batch=0-batch") as follower:
        await eventually(lambda: follower.states(other) == ["queued"])
        await story.finish(other)
        await eventually(lambda: follower.closed)
    assert follower.events[-1][0] == "end"


async def test_a_record_that_goes_while_it_is_followed_does_not_hold_up_the_end(story: Story, replica: Replica) -> None:
    gone, other = await story.submit("a.jpg", "b.jpg")
    async with follow(replica, "/v1/events?batch=0-batch") as follower:
        await eventually(lambda: len(follower.events) == 2)
        await story.redis.hincrby(keys.batch(0, "0-batch"), "terminal", 1)
        await story.redis.delete(keys.job(0, gone))
        await story.finish(other)
        await eventually(lambda: follower.closed)
    assert follower.states(other)[-1] == "done"


async def test_more_streams_than_allowed_are_refused_for_now(story: Story, redis_url: str, blob_url: str) -> None:
    (job_id,) = await story.submit("a.jpg")
    small = Replica(ResultsSettings(redis_url=redis_url, blob_url=blob_url, event_streams=1))
    await small.start()
    path = f"/v1/jobs/{job_id}/events"
    async with follow(small, path) as follower:
        await eventually(lambda: follower.states(job_id) == ["queued"])
        answer = await small.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert answer.headers["retry-after"]
    await small.stop()


async def test_an_unknown_batch_is_not_found(replica: Replica) -> None:
    for path in ("/v1/events?batch=0-none", "/v1/jobs/0-none/events"):
        assert (await replica.client.get(path)).status_code == 404
    assert (await replica.client.get("/v1/events")).status_code == 422
