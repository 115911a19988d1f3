import asyncio
import json

import msgspec
import pytest
from structlog.testing import capture_logs

from services.results.projection import created_at
from shared import groups, keys
from shared.dead_letters import Letter
from shared.events import ImageUploaded, encode
from shared.records import document
from tests.results.story import SOURCE, Story, failed, processed, started, upload
from tests.support.waiting import eventually


async def test_a_job_goes_from_queued_over_processing_to_done(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    assert (await story.job(job_id)).state == "queued"
    await story.start(job_id)
    assert (await story.job(job_id)).state == "processing"
    await story.finish(job_id)
    job = await story.job(job_id)
    assert (job.state, job.run, job.attempts) == ("done", 1, 1)
    assert 0 < job.created <= job.started <= job.finished
    assert job.result is not None
    assert job.upload is not None
    assert job.upload.name == "cat.jpg"
    assert await story.pending() == 0


async def test_the_first_terminal_state_of_a_run_wins(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    event = await story.upload_of(job_id)
    await story.project(failed(event), processed(event), started(event))
    job = await story.job(job_id)
    assert job.state == "failed"
    assert job.result is None
    assert int(await story.redis.hget(keys.batch(0, job.batch), "terminal") or 0) == 1


async def test_a_batch_that_is_delivered_twice_changes_nothing(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.publish(processed(await story.upload_of(job_id)))
    entries = await story.read()
    await story.projection.handle(SOURCE, entries)
    before = await story.redis.hgetall(keys.job(0, job_id))
    await story.projection.handle(SOURCE, entries)
    assert await story.redis.hgetall(keys.job(0, job_id)) == before
    assert story.metrics.jobs.labels("done", "")._value.get() == 1


async def test_a_job_that_was_published_straight_to_the_stream_is_recorded(story: Story) -> None:
    event = upload("0-1700000000000-0", owner="ann", batch="holiday", expected=2)
    await story.project(processed(event))
    job = await story.job("0-1700000000000-0")
    assert (job.state, job.owner, job.batch, job.created) == ("done", "ann", "holiday", 1_700_000_000_000)
    assert await story.redis.zscore(keys.index(0, "ann"), job.id) == 1_700_000_000_000
    assert await story.redis.smembers(keys.owners(0)) == {b"ann"}
    batch = await story.redis.hgetall(keys.batch(0, "holiday"))
    assert (batch[b"owner"], batch[b"total"], batch[b"terminal"], batch[b"expected"]) == (b"ann", b"1", b"1", b"2")


async def test_a_later_run_takes_over_and_an_earlier_one_is_ignored(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    first = await story.upload_of(job_id)
    second = msgspec.structs.replace(first, run=2)
    await story.project(failed(first), started(second), failed(first))
    job = await story.job(job_id)
    assert (job.state, job.run, job.progress) == ("processing", 2, None)
    assert await story.redis.hget(keys.batch(0, job.batch), "terminal") == b"0"
    await story.project(processed(second))
    assert (await story.job(job_id)).state == "done"
    assert await story.redis.hget(keys.batch(0, job.batch), "terminal") == b"1"


async def test_a_started_event_that_comes_late_only_fills_in_when_it_started(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    event = await story.upload_of(job_id)
    await story.project(processed(event, attempt=2))
    version = (await story.job(job_id)).version
    await story.project(started(event))
    job = await story.job(job_id)
    assert (job.state, job.version, job.attempts) == ("done", version, 2)
    assert job.started > 0


async def test_an_event_of_another_owner_cannot_touch_a_job(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg", owner="ann")
    event = msgspec.structs.replace(await story.upload_of(job_id), owner="eve")
    await story.project(failed(event))
    assert (await story.job(job_id)).state == "queued"


async def test_an_unreadable_entry_becomes_a_dead_letter_and_its_neighbours_go_on(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    foreign = upload("1-x", source="inbox/cat.jpg")
    with capture_logs() as lines:
        await story.project(b"\xff nonsense", processed(await story.upload_of(job_id)), started(foreign))
    assert [(line["event"], line["code"]) for line in lines] == [("dead letter", "invalid_event")] * 2
    assert (await story.job(job_id)).state == "done"
    letters = [fields for _, fields in await story.redis.xrange(keys.dead(0))]
    assert [msgspec.json.decode(fields[b"data"], type=Letter).code for fields in letters] == ["invalid_event"] * 2
    assert letters[0][b"entry.data"] == b"\xff nonsense"
    assert await story.pending() == 0


async def test_live_jobs_are_kept_a_week_and_finished_ones_for_the_retention(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    key = keys.job(0, job_id)
    await story.start(job_id)
    assert keys.LIVE_TTL - 60 < await story.redis.ttl(key) <= keys.LIVE_TTL
    await story.finish(job_id)
    for kept in (key, keys.batch(0, "0-batch"), keys.batch_jobs(0, "0-batch")):
        assert 3540 < await story.redis.ttl(kept) <= 3600


async def test_a_change_is_announced_once_with_its_version(story: Story) -> None:
    job_ids = await story.submit("a.jpg", "b.jpg")
    pubsub = story.redis.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe(keys.changes(0))
    await pubsub.get_message(timeout=5)
    await story.finish(*job_ids)
    message = await pubsub.get_message(timeout=5)
    assert message is not None
    changes = json.loads(message["data"])
    assert [(change["job"], change["state"]) for change in changes] == [(job_id, "done") for job_id in job_ids]
    assert [change["v"] for change in changes] == [(await story.job(job_id)).version for job_id in job_ids]
    assert changes[-1]["v"] == int(await story.redis.get(keys.version(0)) or 0)
    await pubsub.aclose()


async def test_the_projection_works_while_the_server_is_at_its_memory_limit(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.publish(processed(await story.upload_of(job_id)))
    entries = await story.read()
    await story.redis.config_set("maxmemory", 1)
    try:
        await story.projection.handle(SOURCE, entries)
    finally:
        await story.redis.config_set("maxmemory", 0)
    assert (await story.job(job_id)).state == "done"


async def test_what_it_counts(story: Story) -> None:
    done, broken = await story.submit("a.jpg", "b.jpg")
    await story.finish(done)
    await story.fail(broken, code="corrupt_image")
    sample = story.metrics.registry.get_sample_value
    assert sample("darkroom_jobs_total", {"state": "done", "code": ""}) == 1
    assert sample("darkroom_jobs_total", {"state": "failed", "code": "corrupt_image"}) == 1
    assert sample("darkroom_job_duration_seconds_count", {"priority": "normal"}) == 2


async def test_deliveries_after_the_first_are_counted(story: Story) -> None:
    (job_id,) = await story.submit("a.jpg")
    await story.publish(processed(await story.upload_of(job_id)))
    (entry,) = await story.read()
    await story.projection.handle(SOURCE, [entry._replace(attempts=1)])
    sample = story.metrics.registry.get_sample_value
    assert sample("darkroom_results_redeliveries_total", {"group": SOURCE.group}) == 1


async def test_a_run_after_the_first_is_counted_and_not_timed(story: Story) -> None:
    (job_id,) = await story.submit("a.jpg")
    await story.fail(job_id)
    again = msgspec.structs.replace(await story.upload_of(job_id), run=2)
    await story.project(processed(again))
    sample = story.metrics.registry.get_sample_value
    assert sample("darkroom_jobs_total", {"state": "done", "code": ""}) == 1
    assert sample("darkroom_job_duration_seconds_count", {"priority": "normal"}) == 1


async def test_jobs_of_low_priority_are_timed_by_themselves(story: Story) -> None:
    (told,) = await story.submit("a.jpg", bulk=True)
    await story.finish(told)
    await story.project(processed(upload("0-bulk-1795496941042-0")))
    sample = story.metrics.registry.get_sample_value
    assert sample("darkroom_job_duration_seconds_count", {"priority": "bulk"}) == 2
    assert sample("darkroom_job_duration_seconds_count", {"priority": "normal"}) is None


async def test_a_code_that_somebody_made_up_is_no_label(story: Story) -> None:
    (job_id,) = await story.submit("a.jpg")
    await story.fail(job_id, code="made_up")
    sample = story.metrics.registry.get_sample_value
    assert sample("darkroom_jobs_total", {"state": "failed", "code": "other"}) == 1


def test_the_creation_of_an_unrecorded_job_is_read_from_its_id() -> None:
    now = 1_800_000_000_000
    assert created_at("0-1700000000000-3", now) == 1_700_000_000_000
    assert created_at("0-01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f", now) == 0x01936E6A1F2B
    assert created_at("0-my-own-id", now) == now
    assert created_at("0-9999999999999-0", now) == now


@pytest.mark.parametrize(("flags", "kept"), [("01", "4bf92f3577b34da6a3ce929d0e0e4736"), ("00", "")])
async def test_a_job_names_its_trace_if_that_is_kept(story: Story, flags: str, kept: str) -> None:
    (job_id,) = await story.submit("cat.jpg")
    parent = f"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}"
    await story.project(processed(await story.upload_of(job_id)), traceparent=parent)
    assert (await story.job(job_id)).trace == kept


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-" + "x" * 52, "\xff" * 55, "0" * 10_000])
async def test_a_trace_context_that_is_none_is_ignored(story: Story, traceparent: str) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.project(processed(await story.upload_of(job_id)), traceparent=traceparent)
    assert ((await story.job(job_id)).state, (await story.job(job_id)).trace) == ("done", "")


async def test_an_uploaded_event_survives_the_round_trip(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg", filters=[{"name": "blur", "size": 9}])
    assert encode((await story.job(job_id)).upload or ImageUploaded(source=""))
    await story.finish(job_id)
    upload_event = (await story.job(job_id)).upload
    assert upload_event is not None
    assert upload_event.filters == [{"name": "blur", "size": 9}]


async def test_an_entry_id_from_far_away_does_not_break_the_record(story: Story) -> None:
    (job_id,) = await story.submit("cat.jpg")
    data = encode(processed(await story.upload_of(job_id)))
    await story.redis.xadd(SOURCE.stream, {"data": data}, id="18446744073709551614-0")
    await story.projection.handle(SOURCE, await story.read())
    assert document(await story.job(job_id))["finished"]


@pytest.mark.parametrize("run", [0, -1, 1_000_001, 10**30])
async def test_a_run_out_of_range_is_a_dead_letter(story: Story, run: int) -> None:
    await story.project(processed(upload("0-a", run=run)))
    assert await story.redis.exists(keys.job(0, "0-a")) == 0
    assert await story.redis.xlen(keys.dead(0)) == 1


async def test_a_group_that_is_lost_in_mid_batch_leaves_nothing_half_told(story: Story) -> None:
    (known,) = await story.submit("cat.jpg")
    unknown = upload("0-1700000000000-0")
    await story.publish(processed(await story.upload_of(known)), processed(unknown))
    entries = await story.read()
    await story.redis.xgroup_destroy(SOURCE.stream, SOURCE.group)
    handling = asyncio.create_task(story.projection.handle(SOURCE, entries))
    await eventually(lambda: story.projection.outage.error is not None)
    untouched = await story.job(known)
    await groups.ensure(story.redis, SOURCE)
    await handling
    assert untouched.state == "queued"
    await story.projection.handle(SOURCE, await story.read())
    batch = await story.redis.hgetall(keys.batch(0, "0-batch"))
    assert [(await story.job(job_id)).state for job_id in (known, unknown.job_id or "")] == ["done", "done"]
    assert batch[b"terminal"] == batch[b"total"]
