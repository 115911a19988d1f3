"""The whole way of an image where each partition may be on another server."""

from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from clients.publisher import Publisher
from shared import keys
from shared.blobs import BlobStore
from shared.connections import connect
from shared.errors import RateLimited
from shared.quotas import Quotas
from tests.cluster.conftest import OWNER, PARTITIONS, Spread
from tests.ingest.pictures import picture
from tests.support.waiting import eventually, wait_until

EVERY = range(PARTITIONS)


def upload(system: Spread, batch: str, pictures: int = 2, *, expected: int | None = None, **options: str) -> list[str]:
    """Jobs of a batch whose id names its partition."""
    answer = system.client.post(
        f"{system.fleet.ingest[0]}/v1/images",
        data={"filters": "sepia", "batch": batch, "expected": str(expected or pictures), **options},
        files=[("image", (f"{number}.jpg", picture(width=16 + number))) for number in range(pictures)],
    )
    assert answer.status_code == 202, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def follow(system: Spread, batch: str, last: dict[str, str] | None = None) -> dict[str, str]:
    """The last state of each job of a batch, as its stream of events told until its end; in `last` meanwhile."""
    last = {} if last is None else last
    url = f"{system.fleet.results[0]}/v1/events"
    with connect_sse(system.client, "GET", url, params={"batch": batch}, timeout=40) as events:
        for event in events.iter_sse():
            if event.event == "end":
                break
            if event.data:
                last[event.json()["id"]] = event.json()["state"]
    return last


def ask(system: Spread, path: str, **query: Any) -> Any:  # noqa: ANN401 - any document
    answer = system.client.get(f"{system.fleet.results[0]}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_partitions_are_on_all_servers(system: Spread) -> None:
    assert len({system.cluster.owner(keys.uploaded(partition)).port for partition in EVERY}) == 3


def test_batches_of_every_partition_are_developed_followed_and_listed(system: Spread) -> None:
    batches = {partition: f"{partition}-{system.unique()}" for partition in EVERY}
    jobs = {partition: upload(system, batch) for partition, batch in batches.items()}
    for partition, batch in batches.items():
        assert all(job.startswith(f"{partition}-") for job in jobs[partition])
        assert follow(system, batch) == dict.fromkeys(jobs[partition], "done")
    listed: list[str] = []
    cursor = None
    while cursor is not None or not listed:
        page = ask(system, "/v1/jobs", limit=5, **({"cursor": cursor} if cursor else {}))
        listed += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
    assert {job for of_batch in jobs.values() for job in of_batch} <= set(listed)
    assert len(listed) == len(set(listed))
    for of_batch in jobs.values():
        answer = system.client.get(f"{system.fleet.results[0]}/v1/jobs/{of_batch[0]}/result")
        assert answer.headers["content-type"] == "image/jpeg"


async def test_a_publisher_and_a_plain_xadd_reach_every_partition(system: Spread) -> None:
    store = BlobStore(system.fleet.blob_url)
    store.put("inbox/one.jpg", picture())
    jobs = []
    async with Publisher(
        system.cluster.user_url, system.fleet.blob_url, owner=OWNER, partitions=PARTITIONS, cluster=True
    ) as publisher:
        for partition in EVERY:
            published = await publisher.publish(
                [picture(width=40 + partition)], filters="sepia", batch=f"{partition}-{system.unique()}"
            )
            jobs += published.jobs
    async with connect(system.cluster.user_url, cluster=True) as redis:
        for partition in EVERY:
            event = {"data": f'{{"source":"inbox/one.jpg","filters":[{{"name":"sepia"}}],"owner":"{OWNER}"}}'}
            entry = await redis.xadd(keys.uploaded(partition, bulk=True), event)  # type: ignore[arg-type]
            jobs.append(keys.job_of_entry(partition, entry.decode(), bulk=True))
    await eventually(lambda: {system.state(job) for job in jobs} == {"done"}, timeout=30)


async def test_dead_letters_of_every_partition_are_listed_replayed_and_dropped(system: Spread) -> None:
    async with connect(system.cluster.user_url, cluster=True) as redis:
        for partition in EVERY:
            await redis.xadd(keys.uploaded(partition), {"data": "no event"})

    def letters() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(system, "/v1/dead-letters", limit=100)["dead_letters"]
        return found

    await eventually(lambda: len(letters()) == PARTITIONS)
    first = {letter["id"] for letter in letters()}
    for letter in first:
        system.client.post(f"{system.fleet.results[0]}/v1/dead-letters/{letter}/replay").raise_for_status()
    # What nobody could read dies again, under another id.
    await eventually(lambda: len(letters()) == PARTITIONS and not first & {letter["id"] for letter in letters()})
    for letter in letters():
        system.client.delete(f"{system.fleet.results[0]}/v1/dead-letters/{letter['id']}").raise_for_status()
    assert letters() == []


def test_operators_see_every_partition_and_the_takers_of_each(system: Spread) -> None:
    seen = ask(system, "/v1/queue")
    assert {stream["name"] for stream in seen["streams"]} == {
        stream(partition) for partition in EVERY for stream in (keys.uploaded, keys.progress, keys.hooks)
    } | {keys.uploaded(partition, bulk=True) for partition in EVERY}
    assert len([worker for worker in seen["workers"] if worker["service"] == keys.PROCESS_GROUP]) == 2
    for number, share in enumerate(((0, 1, 2), (3, 4, 5))):
        port = system.fleet.of("process")[number].environment["DARKROOM_ADMIN_PORT"]
        measured = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        for partition in EVERY:
            assert (f'"{keys.uploaded(partition)}"' in measured) == (partition in share)
        assert "darkroom_redis_memory_bytes " in measured
    # The janitor works at every partition, one replica at a time.
    health = httpx.get(f"{system.fleet.ingest[0]}/health").json()
    assert health["status"] == "ok", health


async def test_quotas_are_counted_for_each_key_on_the_server_of_its_counter(system: Spread) -> None:
    async with connect(system.cluster.user_url, cluster=True) as redis:
        quotas = Quotas(redis, requests="3/hour", kibibytes="10/day")
        for key in ("0a1b2c3d", "1a1b2c3d", "2a1b2c3d", "3a1b2c3d"):
            for _ in range(3):
                await quotas.request(key)
            with pytest.raises(RateLimited):
                await quotas.request(key)
            await quotas.check_bytes(key, 10_000)
            await quotas.count_bytes(key, 10_000)
            with pytest.raises(RateLimited):
                await quotas.check_bytes(key, 10_000)


def test_a_process_that_drains_leaves_nothing_behind_and_others_do_not_touch_its_share(system: Spread) -> None:
    first = system.fleet.of("process")[0]
    try:
        first.end()
        assert first.status == 0
        of_first, of_second = upload(system, f"1-{system.unique()}"), upload(system, f"4-{system.unique()}")
        wait_until(lambda: {system.state(job) for job in of_second} == {"done"}, timeout=30)
        assert {system.state(job) for job in of_first} == {"queued"}
        found = system.cluster.owner(keys.uploaded(1)).redis.xinfo_consumers(keys.uploaded(1), keys.PROCESS_GROUP)
        assert {consumer["name"] for consumer in found} <= {keys.RELEASED.encode()}
    finally:
        first.start()
