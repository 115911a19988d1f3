import time

import httpx
from pydantic import TypeAdapter

from services.results.models import QueueDocument
from shared import groups, keys
from shared.entries import Source
from tests.results.conftest import Replica
from tests.results.story import Story

UPLOADS = Source(keys.uploaded(0), keys.PROCESS_GROUP, 0)


async def test_the_operator_sees_what_waits_who_works_and_what_went_wrong(
    story: Story, http: httpx.AsyncClient
) -> None:
    first, *_ = await story.submit("a.jpg", "b.jpg", "c.jpg")
    await groups.ensure(story.redis, UPLOADS)
    await story.redis.xreadgroup(UPLOADS.group, "worker-1", {UPLOADS.stream: ">"}, count=1)
    await story.start(first)
    await story.fail(*await story.submit("d.jpg"))
    await story.redis.xadd(keys.dead(0), {"data": "x"})
    document = (await http.get("/v1/queue")).json()
    TypeAdapter(QueueDocument).validate_python(document)
    streams = {stream["name"]: stream for stream in document["streams"]}
    assert (streams[UPLOADS.stream]["lag"], streams[UPLOADS.stream]["pending"]) == (3, 1)
    workers = {worker["name"]: worker for worker in document["workers"]}
    assert workers["worker-1"]["state"] == "processing"
    assert workers["worker-1"]["job"] == first
    assert workers["worker-1"]["since"].endswith("Z")
    assert workers["tester"]["service"] == "results"
    assert document["errors"] == {"corrupt_image": 1}
    assert document["rates"]["failed_per_s"] > 0
    assert document["dead_letters"] == 1


async def test_an_empty_server_is_all_quiet(http: httpx.AsyncClient) -> None:
    document = (await http.get("/v1/queue")).json()
    assert document["workers"] == []
    assert document["errors"] == {}
    assert {stream["length"] for stream in document["streams"]} == {0}


async def test_the_gauges_are_brought_up_to_date_at_each_scrape(story: Story, replica: Replica) -> None:
    await story.submit("a.jpg", "b.jpg")
    await groups.ensure(story.redis, UPLOADS)
    await replica.service.refresh_metrics()
    sample = replica.service.registry.get_sample_value
    labels = {"stream": UPLOADS.stream, "group": UPLOADS.group}
    assert sample("darkroom_stream_lag", labels) == 2
    assert sample("darkroom_stream_length", {"stream": UPLOADS.stream}) == 2
    assert sample("darkroom_stream_oldest_seconds", labels) is not None
    assert sample("darkroom_dead_letters", {"partition": "0"}) == 0


async def test_every_entry_of_a_worker_is_told_those_begun_first(story: Story, http: httpx.AsyncClient) -> None:
    first, second, third = await story.submit("a.jpg", "b.jpg", "c.jpg")
    await groups.ensure(story.redis, UPLOADS)
    await story.redis.xreadgroup(UPLOADS.group, "worker-1", {UPLOADS.stream: ">"}, count=3)
    await story.start(third)
    worker = (await http.get("/v1/queue")).json()["workers"][0]
    assert worker["pending"] == 3
    assert [work["job"] for work in worker["work"]] == [third, first, second]
    assert [work["since"] is None for work in worker["work"]] == [False, True, True]
    assert {work["attempt"] for work in worker["work"]} == {1}
    assert worker["job"] == third


async def test_what_one_worker_hoards_is_told_in_part(story: Story, http: httpx.AsyncClient) -> None:
    await story.submit(*(f"{number}.jpg" for number in range(20)))
    await groups.ensure(story.redis, UPLOADS)
    await story.redis.xreadgroup(UPLOADS.group, "worker-1", {UPLOADS.stream: ">"}, count=20)
    worker = (await http.get("/v1/queue")).json()["workers"][0]
    assert (worker["pending"], len(worker["work"])) == (20, 16)


async def test_the_last_quarter_of_an_hour_is_told_by_its_tallies(story: Story, http: httpx.AsyncClient) -> None:
    now = time.time()
    await story.redis.hset(keys.tally(0, now - 600), mapping={"done": 40, "failed": 3, "code:timed_out": 3})
    await story.fail(*await story.submit("d.jpg"))
    document = (await http.get("/v1/queue")).json()
    history = document["history"]
    assert len(history["done"]) == len(history["failed"]) == 900 // history["span_s"]
    assert (sum(history["done"]), sum(history["failed"])) == (40, 4)
    assert history["done"].index(40) in (29, 28)
    assert 1 in history["failed"][-2:]


async def test_long_lists_are_compressed_for_who_takes_that(story: Story, http: httpx.AsyncClient) -> None:
    await story.submit(*(f"{number}.jpg" for number in range(20)))
    plain = await http.get("/v1/jobs", headers={"Accept-Encoding": "identity"})
    squeezed = await http.get("/v1/jobs", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert squeezed.headers["content-encoding"] == "gzip"
    assert squeezed.json() == plain.json()
    assert int(squeezed.headers["content-length"]) < int(plain.headers["content-length"]) / 4
    assert squeezed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
