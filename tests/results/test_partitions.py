"""Several partitions are one service to its users."""

from collections.abc import AsyncIterator

import pytest

from services.results.settings import ResultsSettings
from shared import dead_letters, groups, keys
from shared.entries import Entry, Source
from shared.events import encode
from shared.submission import Submission, Submitter
from tests.results.conftest import Replica
from tests.results.story import Story, processed, upload
from tests.results.test_events import follow
from tests.support.waiting import eventually

PARTITIONS = 3


@pytest.fixture
async def wide(redis_url: str, blob_url: str) -> AsyncIterator[Replica]:
    made = Replica(ResultsSettings(redis_url=redis_url, blob_url=blob_url, partitions=PARTITIONS, event_keep_alive=0.3))
    await made.start()
    yield made
    await made.stop()


async def submit(story: Story, partition: int, batch: str, number: int = 3) -> list[str]:
    jobs = [upload(keys.new_id(partition), batch=batch) for _ in range(number)]
    await Submitter(story.redis).submit(Submission(partition, "local", batch, jobs))
    return [job.job_id or "" for job in jobs]


async def test_pages_go_over_all_partitions(story: Story, wide: Replica) -> None:
    job_ids = []
    for number in range(6):
        job_ids += await submit(story, number % PARTITIONS, f"{number % PARTITIONS}-b{number}")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await wide.client.get("/v1/jobs", params={"limit": "4"} | cursor)).json()
        seen += [job["id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sorted(seen) == sorted(job_ids)
    assert len(set(seen)) == len(seen)


async def test_dead_letters_of_all_partitions_are_one_list(story: Story, wide: Replica) -> None:
    ids = []
    for number in range(7):
        partition = number % PARTITIONS
        source = Source(keys.uploaded(partition), keys.PROCESS_GROUP, partition)
        letter = dead_letters.write(source, Entry("1-1", {}), code="gave_up", message="", worker="w")
        # The same entry id in every partition: only the partition tells them apart.
        entry = await story.redis.xadd(keys.dead(partition), {"data": letter}, id=f"{1 + number // PARTITIONS}-1")
        ids.append(f"{partition}-{entry.decode()}")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await wide.client.get("/v1/dead-letters", params={"limit": "2"} | cursor)).json()
        seen += [letter["id"] for letter in page["dead_letters"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == ids[::-1]
    assert (await wide.client.get("/v1/queue")).json()["dead_letters"] == 7


async def test_a_batch_is_found_in_whichever_partition_it_was_published(story: Story, wide: Replica) -> None:
    """A publisher that writes straight to a stream picks the partition, and any name for its batch."""
    home = keys.partition_of("holiday", PARTITIONS)
    partition = (home + 1) % PARTITIONS
    job_ids = await submit(story, partition, "holiday")
    assert (await wide.client.get("/v1/batches/holiday")).json()["total"] == 3
    async with follow(wide, "/v1/events?batch=holiday") as follower:
        await eventually(lambda: len(follower.events) == 3)
        await wide.client.delete(f"/v1/jobs/{job_ids[0]}")
        source = Source(keys.progress(partition), keys.RESULTS_GROUP, partition)
        await groups.ensure(story.redis, source)
        for job_id in job_ids[1:]:
            await story.redis.xadd(source.stream, {"data": _done(job_id)})
        reply = await story.redis.xreadgroup(source.group, "tester", {source.stream: ">"})
        entries = [Entry(entry.decode(), fields) for _, found in reply for entry, fields in found]
        await story.projection.handle(source, entries)
        await eventually(lambda: follower.closed)
    assert [follower.states(job_id)[-1] for job_id in job_ids] == ["cancelled", "done", "done"]


def _done(job_id: str) -> bytes:
    return encode(processed(upload(job_id, batch="holiday")))


async def test_one_replica_listens_only_to_partitions_that_somebody_follows(story: Story, wide: Replica) -> None:
    batches = [f"{partition}-batch" for partition in range(PARTITIONS)]
    for partition, batch in enumerate(batches):
        await submit(story, partition, batch, number=1)

    async def subscribed() -> list[int]:
        names = [keys.changes(partition) for partition in range(PARTITIONS)]
        return [number for _, number in await story.redis.pubsub_numsub(*names)]

    async with follow(wide, f"/v1/events?batch={batches[0]}") as one:
        await eventually(lambda: bool(one.events))
        assert await subscribed() == [1, 0, 0]
        async with follow(wide, f"/v1/events?batch={batches[2]}") as two:
            await eventually(lambda: bool(two.events))
            assert await subscribed() == [1, 0, 1]

        async def only_the_first() -> bool:
            return await subscribed() == [1, 0, 0]

        await eventually(only_the_first)
