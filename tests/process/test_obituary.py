"""The dead letter of a job tells what is known of its attempts: the last error, and who had it last."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.process import attempts, orders
from services.process.developer import Developer
from services.process.door import PoolDoor
from services.process.metrics import Metrics
from services.process.obituary import of_spent, of_unreadable
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from services.process.spans import begin
from shared import keys, records, scripts
from shared.blobs import BlobStore
from shared.dead_letters import NOBODY, Letter
from shared.entries import Entry, Source
from shared.errors import InvalidEvent
from shared.events import Failure, ImageUploaded, decode_progress, decode_uploaded, encode
from shared.stage import Stage
from tests.support.recording import recorded
from tests.support.waiting import eventually

UPLOADS = Source(keys.uploaded(0), keys.PROCESS_GROUP, 0)
JOB = keys.job(0, "0-a")
EVENT = ImageUploaded(source="inbox/cat.jpg", job_id="0-a", filters=[{"name": "sepia"}])


class UnservedPool:
    """Reports that the store does not serve the image."""

    async def develop(self, _: Request, **__: bool) -> Report:
        return Report(error=Failure("storage_unavailable", "The store does not give it."), retryable=True)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        await client.hset(JOB, mapping={"state": "queued", "owner": "local", "batch": "", "created": 1})
        yield client


async def test_the_letter_of_an_image_that_the_store_never_gave_tells_that(
    redis: Redis, redis_url: str, blob_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_STORE_TRIES", 1)
    settings = ProcessSettings(redis_url=redis_url, blob_url=blob_url, lease=0.5, max_attempts=2)
    door = PoolDoor(1)
    made = Developer(settings, redis, BlobStore(blob_url), UnservedPool(), door, Metrics(CollectorRegistry()))
    stage = Stage(settings, redis, [UPLOADS], made.handle, door=door, lanes=1, obituary=made.obituary)
    made.serve(stage)
    await redis.xadd(UPLOADS.stream, {"data": encode(EVENT)})
    await stage.start()
    with capture_logs() as lines:
        try:
            ((_, fields),) = await eventually(lambda: redis.xrange(keys.dead(0)))
        finally:
            await stage.drain()
    (line,) = [line for line in lines if line["event"] == "job ended"]
    assert (line["job_id"], line["run"], line["state"], line["code"]) == ("0-a", 1, "failed", "gave_up")
    letter = msgspec.json.decode(fields[b"data"], type=Letter)
    assert (letter.code, letter.attempts, letter.worker) == ("gave_up", 2, stage.consumer)
    assert letter.message.endswith("of start 2: storage_unavailable: The store does not give it.")
    *_, (_, told) = await redis.xrange(keys.progress(0))
    assert decode_progress(told).attempt == 2, "the attempt that was not started any more is none"
    record = records.read("0-a", await redis.hgetall(JOB))
    assert record is not None
    # The second attempt, and why the first left its entry: no other field tells.
    assert [(one.run, one.attempt, one.state, one.code) for one in record.past] == [
        (1, 2, "processing", "storage_unavailable")
    ]


async def of_run(redis: Redis, run: int) -> Letter:
    entry = Entry("1-1", {b"data": encode(msgspec.structs.replace(EVENT, run=run))}, attempts=5)
    dead = await of_spent(UPLOADS, entry, "gravedigger", redis.hmget)
    letter: Letter = msgspec.json.decode(dead.document, type=Letter)
    return letter


async def test_a_worker_that_died_silently_is_named_not_the_one_that_buries(redis: Redis) -> None:
    await redis.xgroup_create(UPLOADS.stream, UPLOADS.group, id="0", mkstream=True)
    entry = await redis.xadd(UPLOADS.stream, {"data": encode(EVENT)})
    await redis.xreadgroup(UPLOADS.group, "victim", {UPLOADS.stream: ">"})
    names = [UPLOADS.stream, keys.progress(0), JOB]
    await scripts.load(redis, "start")(keys=names, args=[UPLOADS.group, "victim", entry, 1, "", "", "", 5])
    # A repeat after a lost reply is told once.
    await scripts.load(redis, "start")(keys=names, args=[UPLOADS.group, "victim", entry, 1, "", "", "", 5])
    assert (await redis.hget(JOB, "past") or b"").count(b"processing") == 1
    letter = await of_run(redis, 1)
    assert letter.worker == "victim"
    assert letter.message.endswith("No start left an error behind.")


async def test_the_span_of_the_last_attempt_begins_when_it_did_and_links_the_one_before(redis: Redis) -> None:
    await redis.hset(JOB, mapping={"started": 1_700_000_000_000, "tried": 1_700_000_005_000})
    parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    entry = Entry("1-1", {b"data": encode(EVENT), b"traceparent": parent}, attempts=2)
    with recorded("process") as spans:
        await of_spent(UPLOADS, entry, "gravedigger", redis.hmget)
        first = begin(orders.read(UPLOADS, entry._replace(attempts=0))).get_span_context()
    (last,) = [span for span in spans if span.name == "process image.uploaded"]
    assert last.start_ns == 1_700_000_005_000 * 10**6
    assert last.links == ((f"{first.trace_id:032x}", f"{first.span_id:016x}", {}),)
    assert (last.attributes["error.type"], last.attributes["darkroom.attempt.end"]) == ("gave_up", "lost")


async def test_an_error_of_an_earlier_run_is_none_of_this_one(redis: Redis) -> None:
    note = '{"run":1,"attempt":3,"worker":"w","error":{"code":"storage_unavailable","message":"Away."}}'
    assert await scripts.load(redis, "note")(keys=[JOB], args=[note]) == 1
    assert (await of_run(redis, 1)).message.endswith("of start 3: storage_unavailable: Away.")
    assert (await of_run(redis, 2)).message.endswith("No start left an error behind.")
    await redis.hset(JOB, "fault", "nonsense")
    assert (await of_run(redis, 1)).message.endswith("No start left an error behind.")


async def test_of_a_job_without_a_record_nothing_is_known_nor_noted(redis: Redis) -> None:
    await redis.delete(JOB)
    assert await scripts.load(redis, "note")(keys=[JOB], args=["{}"]) == 0
    assert not await redis.exists(JOB)
    assert (await of_run(redis, 1)).worker == ""


async def test_a_refused_event_is_its_owners_if_it_names_one(redis: Redis) -> None:
    refused = InvalidEvent("Not of this version.")
    for data, owner in (
        (b'{"source":5,"owner":"ann"}', "ann"),
        (b'{"source":"inbox/a.jpg","owner":"no owner"}', NOBODY),
        (b'["ann"]', NOBODY),
        (b"\xff", NOBODY),
        (b'{"x":' + b"[" * 100_000, NOBODY),
    ):
        dead = await of_unreadable(UPLOADS, Entry("1-1", {b"data": data}), refused, "w", redis.hmget)
        assert msgspec.json.decode(dead.document, type=Letter).owner == owner
        assert decode_progress({b"data": dead.event}).upload.owner == (owner or "local")


async def failing(redis: Redis, event: dict[str, object] | bytes, /, **record: object) -> tuple[str, int, str | None]:
    """Job, run and batch of what an unreadable event makes fail, with this record of the job 0-b (none: no record)."""
    await redis.delete(keys.job(0, "0-b"))
    if record:
        await redis.hset(keys.job(0, "0-b"), mapping={"owner": "local", "batch": "", **record})
    data = event if isinstance(event, bytes) else msgspec.json.encode(event)
    dead = await of_unreadable(UPLOADS, Entry("1-1", {b"data": data}), InvalidEvent("So."), "w", redis.hmget)
    letter = msgspec.json.decode(dead.document, type=Letter)
    told = decode_progress({b"data": dead.event}, partition=0)
    assert (told.job_id, told.run, told.attempt) == (letter.job_id, letter.run, 0)
    return told.job_id, told.run, told.upload.batch


async def test_the_job_that_a_refused_event_names_fails_with_it(redis: Redis) -> None:
    assert await failing(redis, {"source": 7, "job_id": "0-b"}) == ("0-b", 1, None)
    assert await failing(redis, {"source": 7, "job_id": "0-b", "run": 3}) == ("0-b", 3, None)
    for event in (b"[", b"[1]", {"source": 7}, {"job_id": 8}, {"job_id": "1-b"}, {"job_id": "0-b c"}):
        assert (await failing(redis, event))[0] == "0-1-1"


async def test_a_live_job_fails_by_its_own_event_alone(redis: Redis) -> None:
    event = {"source": 7, "job_id": "0-b"}
    own, apart = ("0-b", 1), ("0-1-1", 1)
    for state in ("queued", "processing"):
        assert (await failing(redis, event, state=state))[:2] == apart, "the second of two with one id"
        asked = {"state": state, "event": msgspec.json.encode(event), "batch": "0-all"}
        assert await failing(redis, event, **asked) == ("0-b", 1, "0-all")
        assert (await failing(redis, {**event, "run": 1, "owner": "local"}, state=state))[:2] == own
        assert (await failing(redis, {**event, "run": True, "owner": "local"}, state=state))[:2] == apart
        assert (await failing(redis, {**event, "run": 1, "owner": "ann"}, state=state))[:2] == apart
        assert (await failing(redis, {**event, "run": 2, "owner": "local"}, state=state)) == ("0-1-1", 2, None)
    for state in ("done", "failed", "cancelled", "deleted"):
        # It stays as it is; a later run than it had would not.
        assert (await failing(redis, event, state=state))[:2] == own
        assert (await failing(redis, {**event, "run": 2}, state=state))[:2] == ("0-1-1", 2)
        assert (await failing(redis, event, state=state, owner="ann"))[:2] == apart


def test_an_event_that_is_nested_too_deep_cannot_be_read() -> None:
    deep = b'{"source":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(InvalidEvent):
        decode_uploaded({b"data": deep}, partition=0, entry_id="1-1")
