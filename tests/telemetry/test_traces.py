"""One connected trace per image, edge by edge, as a receiver gets it from the running product."""

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from redis import Redis

from tests.support import jaeger
from tests.support.jaeger import Jaeger
from tests.support.otlp import ReceivedSpan, Receiver, receiver
from tests.support.waiting import wait_until
from tests.telemetry.conftest import OUTSIDE, OUTSIDE_TRACE, Hook, Traced
from tests.telemetry.tree import Edge, edges, label

#: From the event on the stream to the projected state: (child, parent) for an image that a filter changed.
WORK: list[Edge] = [
    ("results: process image.progress (started)", "process: process image.uploaded"),
    ("process: fetch", "process: process image.uploaded"),
    ("process: decode", "process: process image.uploaded"),
    ("process: filter sepia", "process: process image.uploaded"),
    ("process: filter blur", "process: process image.uploaded"),
    ("process: encode", "process: process image.uploaded"),
    ("process: store", "process: process image.uploaded"),
    ("process: publish image.progress (processed)", "process: process image.uploaded"),
    ("results: process image.progress (processed)", "process: publish image.progress (processed)"),
]
#: From the request to the stream.
UPLOAD: list[Edge] = [
    ("ingest: publish image.uploaded", "ingest: POST /v1/images"),
    ("process: process image.uploaded", "ingest: publish image.uploaded"),
]
REQUEST: Edge = ("ingest: POST /v1/images", "")
CHAIN = "sepia,blur:size=9"


@pytest.fixture(scope="module", params=["receiver", "jaeger"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver | Jaeger]:
    """The same tables hold for what our own receiver got and for what a Jaeger shows."""
    if request.param == "receiver":
        with receiver() as received:
            yield received
        return
    if shutil.which("jaeger") is None:
        pytest.skip("there is no jaeger on PATH; it is in no package index that tests install from")
    with jaeger.running(tmp_path_factory.mktemp("jaeger")) as found:
        yield found


def named(spans: list[ReceivedSpan], name: str) -> ReceivedSpan:
    (found,) = [span for span in spans if label(span) == name]
    return found


def test_an_upload_is_one_tree_from_the_request_to_the_webhook(traced: Traced, hook: Hook) -> None:
    (job_id,) = traced.upload(10, filters=CHAIN, webhook=hook.url)
    trace = traced.ended(job_id)["trace_id"]

    told: list[Edge] = [
        ("results: process image.hooks", "results: process image.progress (processed)"),
        ("results: process image.hooks", "results: process image.progress (processed)"),
        ("results: POST", "results: process image.hooks"),
        ("results: POST", "results: process image.hooks"),
    ]
    expected = Counter([REQUEST, *UPLOAD, *WORK, *told])
    spans = traced.trace_of(trace, spans=expected.total())
    assert edges(spans) == expected, "the job's and the batch's webhook, and everything before them"
    assert {span.status for span in spans} == {"unset"}
    carried = {headers["traceparent"] for headers, _ in hook.requests}
    assert carried == {f"00-{trace}-{span.id}-01" for span in spans if span.kind == "client"}


def test_the_steps_of_an_image_lie_one_after_the_other_inside_its_attempt(traced: Traced) -> None:
    (job_id,) = traced.upload(11, filters=CHAIN)
    trace = traced.ended(job_id)["trace_id"]
    spans = traced.trace_of(trace, spans=12)
    attempt = named(spans, "process: process image.uploaded")
    steps = [span for span in spans if span.kind == "internal"]
    assert [step.name for step in steps] == [*("fetch", "decode", "filter sepia", "filter blur", "encode", "store")]
    assert attempt.start <= steps[0].start
    assert steps[-1].end <= attempt.end
    for before, after in pairwise(steps):
        assert before.start < before.end <= after.start, (before.name, after.name)


def test_twenty_images_of_one_request_are_twenty_branches_of_one_trace(traced: Traced) -> None:
    jobs = traced.upload(*range(20, 40), filters=CHAIN)
    trace = {traced.ended(job_id)["trace_id"] for job_id in jobs}
    assert len(trace) == 1
    expected = Counter({REQUEST: 1}) + Counter(dict.fromkeys([*UPLOAD, *WORK], 20))

    spans = traced.trace_of(trace.pop(), spans=expected.total())

    assert edges(spans) == expected
    by_id = {span.id: span for span in spans}
    for span in spans:
        above = by_id.get(span.parent)
        about, about_parent = (one.attributes.get("darkroom.job.id") if one else None for one in (span, above))
        assert not about or not about_parent or about == about_parent, "a branch never changes its image"


def test_a_publisher_of_its_own_is_the_parent_of_the_work(traced: Traced) -> None:
    (job_id,) = traced.upload(12)
    source = traced.ended(job_id)["source"]
    event = msgspec.json.encode({"source": source, "filters": [{"name": "negative"}]})
    with Redis.from_url(traced.stack.redis_url) as redis:
        given = {"data": event, "traceparent": f"00-{OUTSIDE_TRACE}-{OUTSIDE}-01", "tracestate": "vendor=1"}
        entry_id = redis.xadd("image.uploaded:{0}", given).decode()

    assert traced.ended(f"0-{entry_id}")["trace_id"] == OUTSIDE_TRACE
    spans = traced.trace_of(OUTSIDE_TRACE, spans=9)
    assert named(spans, "process: process image.uploaded").parent == OUTSIDE


def test_an_event_without_a_trace_begins_one(traced: Traced) -> None:
    source = traced.ended(traced.upload(13)[0])["source"]
    event = msgspec.json.encode({"source": source, "filters": [{"name": "grayscale"}]})
    with Redis.from_url(traced.stack.redis_url) as redis:
        entry_id = redis.xadd("image.uploaded:{0}", {"data": event}).decode()

    trace = traced.ended(f"0-{entry_id}")["trace_id"]
    spans = traced.trace_of(trace, spans=9)
    assert [label(span) for span in spans if not span.parent] == ["process: process image.uploaded"]


def test_what_its_sender_does_not_sample_is_recorded_nowhere(traced: Traced) -> None:
    trace = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    (quiet,) = traced.upload(14, filters=CHAIN, headers={"traceparent": f"00-{trace}-{OUTSIDE}-00"})
    assert traced.ended(quiet)["trace_id"] is None, "a trace that is not kept is not offered"
    (loud,) = traced.upload(15, filters=CHAIN)
    traced.trace_of(traced.ended(loud)["trace_id"], spans=12)
    assert traced.receiver.of_trace(trace) == []


def test_a_wrong_image_fails_in_its_own_trace(traced: Traced, corrupt: bytes) -> None:
    answer = traced.http.post("/v1/images", files={"image": ("cut.png", corrupt)}, data={"filters": "sepia"})
    job = traced.ended(answer.json()["jobs"][0]["id"])
    assert job["error"]["code"] == "corrupt_image"

    spans = traced.trace_of(job["trace_id"], spans=8)
    attempt = named(spans, "process: process image.uploaded")
    assert (attempt.status, attempt.attributes["error.type"]) == ("error", "corrupt_image")
    failed = named(spans, "process: publish image.progress (failed)")
    assert failed.parent == attempt.id
    assert named(spans, "results: process image.progress (failed)").parent == failed.id


@pytest.mark.timeout(240)
def test_the_attempt_after_a_kill_is_a_span_of_its_own_that_links_the_one_before(traced: Traced) -> None:
    traced.freeze_pool()
    (job_id,) = traced.upload(16, filters=CHAIN)
    traced.kill_at_work(job_id)
    job = traced.ended(job_id)
    assert job["state"] == "done"

    killed: list[Edge] = [
        REQUEST,
        *UPLOAD,
        ("results: process image.progress (started)", "process: process image.uploaded"),
    ]
    second: list[Edge] = [("process: process image.uploaded #2", "ingest: publish image.uploaded")]
    second += [(child, above.replace("image.uploaded", "image.uploaded #2")) for child, above in WORK]
    expected = Counter([*killed, *second])
    spans = traced.trace_of(job["trace_id"], spans=expected.total())
    assert edges(spans) == expected

    lost, new = (named(spans, f"process: process image.uploaded{number}") for number in ("", " #2"))
    assert new.links == [(lost.trace, lost.id)]
    assert (lost.status, lost.attributes["darkroom.attempt.end"], new.status) == ("error", "lost", "unset")
    assert lost.start < new.start


@pytest.mark.timeout(240)
def test_a_worker_that_is_drained_hands_its_attempt_on_as_if_it_had_not_begun(traced: Traced) -> None:
    traced.freeze_pool()
    (job_id,) = traced.upload(18, filters=CHAIN)
    traced.kill_at_work(job_id, how=signal.SIGTERM)
    job = traced.ended(job_id)
    assert (job["state"], job["attempts"]) == ("done", 1)

    # Both workers said that they started; the second one's attempt is the one that is told of.
    expected = Counter([REQUEST, *UPLOAD, *WORK, WORK[0]])
    spans = traced.trace_of(job["trace_id"], spans=expected.total())
    assert edges(spans) == expected
    assert named(spans, "process: process image.uploaded").links == []


@pytest.mark.timeout(240)
def test_a_job_that_was_given_up_and_replayed_leads_from_one_trace_to_the_next(traced: Traced) -> None:
    traced.freeze_pool()
    (job_id,) = traced.upload(17, filters=CHAIN)
    traced.kill_at_work(job_id, attempt=1)
    # The second worker tells of the first before it works, and not before it says that it started.
    traced.freeze_pool()
    lost = "process: process image.uploaded"
    trace = traced.job(job_id)["trace_id"]
    wait_until(lambda: lost in map(label, traced.receiver.of_trace(trace)), timeout=30)
    traced.kill_at_work(job_id, attempt=2)
    job = traced.ended(job_id)
    assert job["error"]["code"] == "gave_up"

    end: list[Edge] = [
        ("process: process image.uploaded #2", "ingest: publish image.uploaded"),
        ("results: process image.progress (started)", "process: process image.uploaded #2"),
        ("process: publish image.dead", "process: process image.uploaded #2"),
        ("process: publish image.progress (failed)", "process: process image.uploaded #2"),
        ("results: process image.progress (failed)", "process: publish image.progress (failed)"),
    ]
    expected = Counter([REQUEST, *UPLOAD, WORK[0], *end])
    spans = traced.trace_of(job["trace_id"], spans=expected.total())
    assert edges(spans) == expected
    first, last = (named(spans, f"{lost}{number}") for number in ("", " #2"))
    assert (first.links, last.links) == ([], [(first.trace, first.id)])
    assert first.start < last.start < last.end, "each from when it began, not from when its entry was written"
    assert (first.attributes["error.type"], last.attributes["error.type"]) == ("lost", "gave_up")

    (letter,) = traced.http.get("/v1/dead-letters").json()["dead_letters"]
    assert traced.http.post(f"/v1/dead-letters/{letter['id']}/replay").status_code == 202
    replayed = traced.ended(job_id, run=2)
    assert replayed["state"] == "done"
    again: list[Edge] = [
        ("results: POST /v1/dead-letters/{letter_id}/replay", ""),
        ("results: publish image.uploaded", "results: POST /v1/dead-letters/{letter_id}/replay"),
        ("process: process image.uploaded", "results: publish image.uploaded"),
    ]
    expected = Counter([*again, *WORK])
    next_spans = traced.trace_of(replayed["trace_id"], spans=expected.total())
    assert edges(next_spans) == expected
    published = named(spans, "ingest: publish image.uploaded")
    assert named(next_spans, "results: publish image.uploaded").links == [(published.trace, published.id)]
