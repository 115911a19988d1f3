"""Services replaced one after the other under load, by their like or another version: no job is lost."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from infra.ports import free_port
from services.process.engine import ENGINE_VERSION
from shared import keys
from shared.blobs import BlobStore
from shared.events import decode_progress
from tests.chaos.fleet import Member
from tests.events.test_samples import SAMPLES
from tests.healing.conftest import System
from tests.support.system import Uploader, encoded
from tests.support.waiting import wait_until


@pytest.mark.timeout(300)
def test_a_rolling_restart_under_load_loses_nothing_and_runs_nothing_twice(system: System) -> None:
    with Redis.from_url(system.fleet.redis_url) as redis:
        # A group of somebody else's holds what was published, so that it can be counted.
        redis.xgroup_create(keys.progress(0), "counting", id="$")
        try:
            with Uploader(system, pause=0.1) as uploader:
                for kind in ("process", "results", "ingest"):
                    before = len(uploader.jobs)
                    (member,) = system.fleet.of(kind)
                    member.send(signal.SIGTERM)
                    assert member.wait(30)
                    assert member.status == 0
                    member.start()
                    wait_until(lambda kind=kind: system.ready(kind), timeout=60)
                    wait_until(lambda before=before: len(uploader.jobs) > before + 5, timeout=30)
            # Each kind has one process here, so that its address refuses connections for a moment.
            assert system.retried.keys() <= {"503", "ConnectError"}, system.retried
            for job in uploader.jobs:
                system.develops(job)
            reply = redis.xreadgroup("counting", "counter", {keys.progress(0): ">"}, count=100_000)
        finally:
            redis.xgroup_destroy(keys.progress(0), "counting")
        events = [decode_progress(fields) for _, fields in reply[0][1]]
        ends = sorted(event.job_id for event in events if event.type != "started")
        assert ends == sorted(uploader.jobs)
        assert {event.attempt for event in events} == {1}, "a drain is held against no job"
        assert not redis.xlen(keys.dead(0))


#: Events of version 1 with members that this version does not know yet, at every level.
FROM_NEWER_PUBLISHERS = (
    {"source": "inbox/newer", "filters": [{"name": "sepia"}], "exposure": {"ev": 1.5}, "tags": ["a"]},
    {"source": "inbox/newer", "output": {"format": "png", "dither": True}, "deadline": 1700000000000},
)
PROGRESS: dict[str, Any] = {
    "type": "processed",
    "at": 1700000000141,
    "upload": {"source": "inbox/newer", "exposure": {"ev": 1.5}},
    "result": {
        "key": f"results/2026-11-24/local/{'a' * 64}",
        "media_type": "image/png",
        "bytes": 9,
        "width": 3,
        "height": 3,
        "colour_space": "display-p3",
    },
    "energy": {"joules": 2},
}
#: What makes a worker one of the next version: a filter more, and another engine.
NEXT = """
import services.process.filters
from services.process import engine

services.process.filters.__path__.append({folder!r})
engine.ENGINE_VERSION = "next"
"""
WARM = '''
"""A filter of the next version."""

from services.process.filters.brighten import Brighten, brighten
from services.process.registry import tone


class Warm(Brighten):
    """Like brighten."""


@tone(Warm)
def warm(parameters: Warm):
    return brighten(parameters)
'''


@pytest.fixture
def newer(system: System, tmp_path: Path) -> Iterator[Member]:
    """A worker of the next version, not started yet."""
    (older,) = system.fleet.of("process")
    filters = tmp_path / "filters"
    filters.mkdir()
    (filters / "warm.py").write_text(WARM)
    # Python runs it at every start, those of the pool's processes included.
    (tmp_path / "sitecustomize.py").write_text(NEXT.format(folder=str(filters)))
    environment = {
        **older.environment,
        "DARKROOM_ADMIN_PORT": str(free_port("127.0.0.1")),
        "PYTHONPATH": str(tmp_path),
    }
    member = Member("process-next", "process", older.command, environment, tmp_path / "next.log")
    yield member
    if member.starts:
        member.end()


def _offers_warm(system: System) -> bool:
    answer = system.client.get(f"{system.fleet.ingest[0]}/v1/filters")
    return "warm" in {document["name"] for document in answer.json()["filters"]}


def _leaves(redis: Redis, member: Member, engine: str) -> None:
    """The worker drains, and then the time that its filters are still counted on is over."""
    member.send(signal.SIGTERM)
    assert member.wait(30)
    assert member.status == 0
    redis.pexpire(keys.HEARTBEAT_PREFIX + engine, 1)


@pytest.mark.timeout(300)
def test_a_newer_version_takes_over_and_an_older_one_again(system: System, newer: Member) -> None:
    (older,) = system.fleet.of("process")
    warm = f"{system.fleet.ingest[0]}/v1/images?filters=warm"
    picture = encoded(1)
    with Redis.from_url(system.fleet.redis_url) as redis:
        with Uploader(system, pause=0.1) as uploader:
            newer.start()
            wait_until(lambda: newer.up, timeout=60)
            # The older one is alive too and may be given any job.
            assert not _offers_warm(system)
            assert system.client.post(warm, content=picture).json()["code"] == "unknown_filter"

            _leaves(redis, older, ENGINE_VERSION)
            wait_until(lambda: _offers_warm(system))
            answer = system.client.post(warm, content=picture)
            assert answer.status_code == 202, answer.text
            system.develops(answer.json()["jobs"][0]["id"])
            before = len(uploader.jobs)
            wait_until(lambda: len(uploader.jobs) > before + 5, timeout=30)

            older.start()
            wait_until(lambda: older.up, timeout=60)
            wait_until(lambda: not _offers_warm(system))
            _leaves(redis, newer, "next")
        for job in uploader.jobs:
            system.develops(job)
        assert not redis.xlen(keys.dead(0))


def test_a_worker_reads_what_older_and_newer_publishers_left(system: System) -> None:
    (worker,) = system.fleet.of("process")
    worker.send(signal.SIGTERM)
    assert worker.wait(30)
    store = BlobStore(system.fleet.blob_url)
    with Redis.from_url(system.fleet.redis_url) as redis:
        jobs = []
        for event in (*_of_version_1(), *FROM_NEWER_PUBLISHERS):
            store.put(event["source"], encoded(2))
            entry = redis.xadd(keys.uploaded(0), {"data": json.dumps(event), "baggage": "of a newer publisher"})
            jobs.append(event.get("job_id") or f"0-{entry.decode()}")
        beyond = [
            redis.xadd(keys.uploaded(0), {"data": json.dumps(event)}) for event in ({"v": 2}, {"v": 2, "source": "x"})
        ]
        finished = {
            **PROGRESS,
            "job_id": "0-told-by-newer",
            "upload": {**PROGRESS["upload"], "job_id": "0-told-by-newer"},
        }
        redis.xadd(keys.progress(0), {"data": json.dumps(finished)})
        redis.xadd(keys.progress(0), {"data": json.dumps({**finished, "v": 2})})
        worker.start()
        for job in (*jobs, "0-told-by-newer"):
            wait_until(lambda job=job: redis.hget(keys.job(0, job), "state") == b"done", timeout=60)
        # What has another meaning by now is kept for people, and blocks nobody.
        wait_until(lambda: redis.xlen(keys.dead(0)) == len(beyond) + 1)
        wait_until(lambda: redis.xpending(keys.uploaded(0), keys.PROCESS_GROUP)["pending"] == 0)


def _of_version_1() -> Iterator[dict[str, Any]]:
    """The committed samples, but for a webhook, which would leave this machine."""
    for sample in sorted(SAMPLES.glob("uploaded-*.json")):
        event = json.loads(sample.read_bytes())
        event.pop("webhook", None)
        yield event
