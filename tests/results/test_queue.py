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
