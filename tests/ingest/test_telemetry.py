"""One trace for each upload, each job's publish a span of its own in it; and true metrics."""

from collections.abc import Iterator

import msgspec
import pytest
from opentelemetry import trace

from shared.trace_context import Recorded, carrier
from tests.ingest.pictures import picture
from tests.ingest.running import Running
from tests.support.recording import recorded

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


@pytest.fixture
def spans() -> Iterator[list[Recorded]]:
    with recorded("ingest") as ended:
        yield ended


def named(spans: list[Recorded], name: str) -> list[Recorded]:
    return [span for span in spans if span.name == name]


async def test_each_publish_is_a_child_of_the_request_and_travels_with_its_event(
    ingest: Running, spans: list[Recorded]
) -> None:
    files = [("image", (f"{n}.png", picture("PNG", shade=n))) for n in range(3)]

    response = await ingest.http.post("/v1/images", files=files, headers={"traceparent": PARENT})

    (server,) = named(spans, "POST /v1/images")
    assert server.kind is trace.SpanKind.SERVER
    assert f"{server.trace}-{server.parent}" in PARENT
    assert server.attributes["http.response.status_code"] == 202
    published = named(spans, "publish image.uploaded")
    assert len(published) == 3
    entries = await ingest.entries()
    for span, entry, job in zip(published, entries, response.json()["jobs"], strict=True):
        assert span.kind is trace.SpanKind.PRODUCER
        assert span.parent == server.span
        assert span.attributes["darkroom.job.id"] == job["id"]
        assert entry[b"traceparent"].decode() == carrier(span)[0]
        assert (await ingest.job(job["id"]))["trace"] == span.trace


async def test_a_refusal_says_its_code_in_the_span(ingest: Running, spans: list[Recorded]) -> None:
    await ingest.http.post("/v1/images", content=b"nothing")

    (server,) = named(spans, "POST /v1/images")
    assert server.attributes["darkroom.error.code"] == "unsupported_media"
    assert "error.type" not in server.attributes, "a wrong request is no error of the server"
    assert server.attributes["http.response.status_code"] == 415
    assert server.status is trace.StatusCode.UNSET


async def test_an_error_of_ours_is_one_in_the_span(ingest: Running, spans: list[Recorded]) -> None:
    await ingest.redis.config_set("maxmemory", 1)
    try:
        response = await ingest.http.post("/v1/images", content=picture())
    finally:
        await ingest.redis.config_set("maxmemory", 0)

    assert response.status_code == 503
    (server,) = named(spans, "POST /v1/images")
    assert server.status is trace.StatusCode.ERROR
    assert server.attributes["error.type"] == server.attributes["darkroom.error.code"] == "overloaded"


async def test_a_method_that_nobody_knows_is_named_as_the_conventions_say(
    ingest: Running, spans: list[Recorded]
) -> None:
    await ingest.http.request("PURGE", "/v1/images")

    (server,) = spans
    assert server.name == "HTTP /v1/images"
    assert server.attributes["http.request.method"] == "_OTHER"
    assert server.attributes["http.request.method_original"] == "PURGE"


async def test_a_tracestate_in_several_headers_is_one_list(ingest: Running, spans: list[Recorded]) -> None:
    headers = [("tracestate", "a=1"), ("traceparent", PARENT), ("tracestate", "b=2,c=3")]
    await ingest.http.post("/v1/images", content=picture(), headers=headers)

    (entry,) = await ingest.entries()
    assert entry[b"tracestate"] == b"a=1,b=2,c=3"
    assert {span.tracestate for span in spans} == {"a=1,b=2,c=3"}


async def test_without_tracing_an_event_carries_the_trace_of_its_sender(ingest: Running) -> None:
    await ingest.http.post("/v1/images", content=picture(), headers={"traceparent": PARENT})
    await ingest.http.post("/v1/images", content=picture())

    first, second = await ingest.entries()
    assert first[b"traceparent"].decode() == PARENT
    assert b"traceparent" not in second


async def test_metrics_count_requests_and_uploads_by_outcome(ingest: Running) -> None:
    await ingest.http.post("/v1/images", content=picture())
    await ingest.http.post("/v1/images", content=b"nothing")
    await ingest.http.get("/jobs/0-some-id")
    await ingest.http.get("/no/such/page")

    def value(name: str, **labels: str) -> float | None:
        return ingest.service.registry.get_sample_value(name, labels)

    assert value("darkroom_uploads_total", outcome="accepted") == 1
    assert value("darkroom_uploads_total", outcome="unsupported_media") == 1
    assert value("darkroom_images_accepted_total", priority="normal") == 1
    assert value("darkroom_image_size_bytes_sum") == len(picture())

    def requests(method: str, route: str, status: str) -> float | None:
        labels = {"http_request_method": method, "http_route": route, "http_response_status_code": status}
        return value("http_server_request_duration_seconds_count", url_scheme="http", **labels)

    assert requests("POST", "/v1/images", "202") == requests("POST", "/v1/images", "415") == 1
    assert requests("GET", "/jobs/{job_id}", "200") == 1
    assert requests("GET", "none", "404") == 1
    assert value("darkroom_upload_in_flight_bytes") == 0


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://stranger.example"}, {"host": "stranger.example"}],
    ids=["page of a stranger", "name of a stranger"],
)
async def test_an_upload_that_is_refused_at_the_door_is_traced_and_counted_as_well(
    ingest: Running, spans: list[Recorded], headers: dict[str, str]
) -> None:
    answer = await ingest.http.post("/v1/images", content=picture(), headers={**headers, "traceparent": PARENT})
    assert answer.status_code == 403
    (server,) = spans
    assert server.name == "POST /v1/images"
    assert f"{server.trace}-{server.parent}" in PARENT
    assert server.attributes["darkroom.error.code"] == "forbidden"
    sample = ingest.service.registry.get_sample_value
    assert sample("darkroom_uploads_total", {"outcome": "forbidden"}) == 1
    labels = {
        "http_request_method": "POST",
        "http_route": "/v1/images",
        "url_scheme": "http",
        "http_response_status_code": "403",
    }
    assert sample("http_server_request_duration_seconds_count", labels) == 1


async def test_a_request_that_is_sent_again_publishes_nothing_and_has_no_span_that_says_so(
    ingest: Running, spans: list[Recorded]
) -> None:
    for _ in range(2):
        await ingest.http.post("/v1/images", content=picture(), headers={"Idempotency-Key": "one"})
    assert len(await ingest.entries()) == 1
    assert len(named(spans, "POST /v1/images")) == 2
    assert len(named(spans, "publish image.uploaded")) == 1


async def test_an_event_that_fails_to_publish_fails_its_span(ingest: Running, spans: list[Recorded]) -> None:
    await ingest.http.post("/v1/images", params={"batch": "b"}, content=picture())
    await ingest.redis.hset("batch:{0}:b", "owner", "somebody-else")

    response = await ingest.http.post("/v1/images", params={"batch": "b"}, content=picture())

    assert response.status_code == 422
    assert msgspec.json.decode(response.content)["parameter"] == "batch"
    assert len(await ingest.entries()) == 1
