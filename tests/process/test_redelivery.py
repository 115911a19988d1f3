"""An entry whose worker was killed, taken over: what is told of both attempts, however the second one ends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from services.process import orders
from services.process.developer import Developer
from services.process.door import AHEAD, PoolDoor
from services.process.facts import Facts
from services.process.metrics import Metrics
from services.process.obituary import TOLD
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from services.process.spans import begin
from services.process.worker import EngineFault
from shared import keys, telemetry
from shared.blobs import BlobStore
from shared.entries import Entry, Source
from shared.events import ImageUploaded, Result, encode
from shared.stage import Stage
from shared.trace_context import Recorded
from tests.support.recording import recorded
from tests.support.waiting import eventually

UPLOADS = Source(keys.uploaded(0), keys.PROCESS_GROUP, 0)
JOB = keys.job(0, "0-a")
EVENT = ImageUploaded(
    source=f"originals/2026-11-24/local/{'a' * 64}", job_id="0-a", filters=[{"name": "sepia"}], media_type="image/png"
)
ATTEMPT = "process image.uploaded"


class FaultyPool:
    """Its engine has a defect."""

    crowded = False

    async def develop(self, _: Request, **__: bool) -> Report:
        raise EngineFault("IndexError: out of range")


class NotingPool(FaultyPool):
    """Notes what log lines would say of the job that it is asked to develop."""

    def __init__(self) -> None:
        self.told: dict[str, object] = {}

    async def develop(self, request: Request, **_: bool) -> Report:
        self.told[request.job_id] = get_contextvars().get("job_id")
        raise EngineFault("IndexError: out of range")


@dataclass
class Case:
    """One entry that a killed worker left, in the hands of `developer`; `first` is the id of that attempt's span."""

    redis: Redis
    developer: Developer
    registry: CollectorRegistry
    entry: Entry
    spans: list[Recorded]
    first: str

    async def handle(self) -> None:
        """Work on the second attempt, leased as the stage does it."""
        self.developer.stage.leases.hold(UPLOADS, [self.entry])
        await self.developer.handle(UPLOADS, [self.entry])

    async def redeliver(self) -> tuple[Recorded, Recorded]:
        """Handle the second attempt; returns the spans of both."""
        await self.handle()
        before, after = sorted(
            (span for span in self.spans if span.name == ATTEMPT),
            key=lambda span: int(str(span.attributes["darkroom.job.attempt"])),
        )
        return before, after


@pytest.fixture
async def case(redis_url: str, blob_url: str) -> AsyncIterator[Case]:
    settings = ProcessSettings(redis_url=redis_url, blob_url=blob_url)
    registry, door = CollectorRegistry(), PoolDoor(1)
    async with Redis.from_url(redis_url) as redis:
        made = Developer(settings, redis, BlobStore(blob_url), FaultyPool(), door, Metrics(registry))
        stage = Stage(settings, redis, [UPLOADS], made.handle, door=door, lanes=1, obituary=made.obituary)
        made.serve(stage)
        await redis.xgroup_create(UPLOADS.stream, UPLOADS.group, id="0", mkstream=True)
        fields = {b"data": encode(EVENT), b"traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        entry_id = (await redis.xadd(UPLOADS.stream, fields)).decode()
        await redis.hset(JOB, mapping={"state": "processing", "started": 1_700_000_000_000, "run": 1})
        await redis.xreadgroup(UPLOADS.group, stage.consumer, {UPLOADS.stream: ">"})
        with recorded("process") as spans:
            first = _first_span(entry_id, fields)
            yield Case(redis, made, registry, Entry(entry_id, fields, attempts=1), spans, first)


def _first_span(entry_id: str, fields: dict[bytes, bytes]) -> str:
    span = begin(orders.read(UPLOADS, Entry(entry_id, fields)))
    assert isinstance(span, Recorded)
    return span.span


async def _remember(redis: Redis) -> None:
    """The result of the event, which makes the next attempt end at once."""
    key = orders.expected_key(EVENT)
    assert key is not None
    await Facts(redis).remember([Result(key=key, media_type="image/png", bytes=1, width=1, height=1)])


async def test_one_whose_result_was_stored_meanwhile_is_settled_and_the_lost_attempt_told(case: Case) -> None:
    await _remember(case.redis)
    before, after = await case.redeliver()
    assert (before.span, before.attributes["darkroom.attempt.end"]) == (case.first, "lost")
    assert before.start_ns == 1_700_000_000_000 * 10**6
    assert [link[1] for link in after.links] == [case.first]
    assert after.attributes["darkroom.job.cached"] is True
    assert case.registry.get_sample_value("darkroom_process_redeliveries_total") == 1
    assert case.registry.get_sample_value("darkroom_process_queue_wait_seconds_count", {"priority": "normal"}) == 1


async def test_one_whose_job_was_cancelled_meanwhile_ends_and_the_lost_attempt_is_told(case: Case) -> None:
    await case.redis.hset(JOB, "state", "cancelled")
    before, after = await case.redeliver()
    assert (before.span, before.attributes["darkroom.attempt.end"]) == (case.first, "lost")
    assert before.start_ns == 1_700_000_000_000 * 10**6
    assert [link[1] for link in after.links] == [case.first]
    assert after.attributes["darkroom.attempt.end"] == "cancelled"
    assert case.registry.get_sample_value("darkroom_process_redeliveries_total") == 0


async def test_after_two_lost_attempts_the_third_links_the_second_and_that_the_first(case: Case) -> None:
    await _remember(case.redis)
    await case.redis.hset(JOB, "tried", 1_700_000_005_000)
    case.entry = case.entry._replace(attempts=2)
    before, after = await case.redeliver()
    assert [link[1] for link in before.links] == [case.first]
    assert [link[1] for link in after.links] == [before.span]
    assert before.start_ns == 1_700_000_005_000 * 10**6


async def test_one_that_another_worker_took_is_nobody_elses_to_tell_of(case: Case) -> None:
    await case.redis.xclaim(UPLOADS.stream, UPLOADS.group, "another", 0, [case.entry.id])
    await case.handle()
    assert case.spans == []


@pytest.mark.parametrize("owner", ["own", "another"])
async def test_a_dead_letter_is_counted_by_who_writes_it(case: Case, owner: str) -> None:
    stage = case.developer.stage
    if owner == "another":
        await case.redis.xclaim(UPLOADS.stream, UPLOADS.group, owner, 0, [case.entry.id])
    await stage.bury(UPLOADS, case.entry, await case.developer.obituary(UPLOADS, case.entry, stage.consumer))
    counted = case.registry.get_sample_value("darkroom_process_buried_entries_total", {"code": "gave_up"})
    assert counted == (1 if owner == "own" else 0)


async def test_a_defect_of_the_engine_is_logged_with_its_job_and_noted_in_its_record(case: Case) -> None:
    with capture_logs() as lines, pytest.raises(EngineFault):
        await case.handle()
    (line,) = [line for line in lines if line["event"] == "the engine has a defect"]
    assert (line["job_id"], line["attempt"], line["span_id"] != case.first) == ("0-a", 2, True)
    _, noted, *_ = await case.redis.hmget(JOB, TOLD)
    assert b'"attempt":2' in noted
    assert b"internal_error" in noted


async def test_lines_about_jobs_that_were_started_together_have_each_its_own_id(redis_url: str, blob_url: str) -> None:
    settings, door, pool = ProcessSettings(redis_url=redis_url, blob_url=blob_url), PoolDoor(2), NotingPool()
    async with Redis.from_url(redis_url) as redis:
        made = Developer(settings, redis, BlobStore(blob_url), pool, door, Metrics(CollectorRegistry()))
        stage = Stage(settings, redis, [UPLOADS], made.handle, door=door, lanes=1, obituary=made.obituary)
        made.serve(stage)
        await redis.xgroup_create(UPLOADS.stream, UPLOADS.group, id="0", mkstream=True)
        entries = []
        for job_id in ("0-a", "0-b"):
            fields = {b"data": encode(msgspec.structs.replace(EVENT, job_id=job_id))}
            entries.append(Entry((await redis.xadd(UPLOADS.stream, fields)).decode(), fields))
        await redis.xreadgroup(UPLOADS.group, stage.consumer, {UPLOADS.stream: ">"})
        stage.leases.hold(UPLOADS, entries)
        with pytest.raises(EngineFault):
            await made.handle(UPLOADS, entries)
    assert pool.told == {"0-a": "0-a", "0-b": "0-b"}


async def test_lost_attempts_that_are_told_together_are_sent_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    async def send_now() -> None:
        sent.append(len(case.spans))

    monkeypatch.setattr(telemetry, "send_now", send_now)
    other = Entry((await case.redis.xadd(UPLOADS.stream, case.entry.fields)).decode(), case.entry.fields, attempts=1)
    await case.redis.xreadgroup(UPLOADS.group, case.developer.stage.consumer, {UPLOADS.stream: ">"})
    case.developer.stage.leases.hold(UPLOADS, [case.entry, other])
    with pytest.raises(EngineFault):
        await case.developer.handle(UPLOADS, [case.entry, other])
    assert sent == [2], "both, at once"


async def test_the_lost_attempt_of_an_entry_without_a_record_began_with_its_entry(case: Case) -> None:
    await case.redis.delete(JOB)
    with pytest.raises(EngineFault):
        await case.handle()
    (before,) = case.spans
    assert before.start_ns == int(case.entry.id.split("-")[0]) * 10**6


class LatePool(FaultyPool):
    """Has every image at once, but lets what is settled wait for others; `gate` holds images back."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    def crowded(self, *, bulk: bool) -> bool:  # noqa: ARG002 - as the real one
        return True

    async def develop(self, _: Request, **__: bool) -> Report:
        await self.gate.wait()
        return Report(result=Result(key="results/r", media_type="image/png", bytes=1, width=1, height=1))


@pytest.mark.parametrize("ready", [False, True], ids=["in work", "while it is settled"])
@pytest.mark.parametrize(("ended", "lost"), [("taken", 1), ("cancelled", 0)])
async def test_an_entry_that_ended_elsewhere_is_counted_once_and_only_if_another_worker_took_it(
    redis_url: str, blob_url: str, *, ready: bool, ended: str, lost: int
) -> None:
    pool, registry, door = LatePool(), CollectorRegistry(), PoolDoor(1)
    settings = ProcessSettings(redis_url=redis_url, blob_url=blob_url)
    async with Redis.from_url(redis_url) as redis:
        made = Developer(settings, redis, BlobStore(blob_url), pool, door, Metrics(registry))
        stage = Stage(settings, redis, [UPLOADS], made.handle, door=door, lanes=1, obituary=made.obituary)
        made.serve(stage)
        await redis.xgroup_create(UPLOADS.stream, UPLOADS.group, id="0", mkstream=True)
        entry = Entry((await redis.xadd(UPLOADS.stream, fields := {b"data": encode(EVENT)})).decode(), fields)
        await redis.xreadgroup(UPLOADS.group, stage.consumer, {UPLOADS.stream: ">"})
        stage.leases.hold(UPLOADS, [entry])
        handling = asyncio.create_task(made.handle(UPLOADS, [entry]))
        await eventually(lambda: redis.xlen(keys.progress(0)))
        if ended == "taken":
            await redis.xclaim(UPLOADS.stream, UPLOADS.group, "another", 0, [entry.id])
        else:
            await redis.hset(JOB, "state", "cancelled")
        if ready:
            pool.gate.set()
            await eventually(lambda: not door.room(UPLOADS) < AHEAD)
        await stage.leases.renew()
        await handling
    assert registry.get_sample_value("darkroom_process_lost_entries_total") == lost
