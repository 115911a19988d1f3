"""Services replaced one after the other under load, by their like or another version: no job is lost."""

import json
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from redis import Redis

from infra.ports import free_port
from services.process.engine import ENGINE_VERSION
from shared import keys
from shared.blobs import BlobStore
from shared.events import decode_progress
from tests.chaos.fleet import Member
from tests.healing import versions
from tests.healing.conftest import System
from tests.support.receiver import Receiver
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


@pytest.fixture
def newer(system: System, tmp_path: Path) -> Iterator[Member]:
    """A worker of the next version, not started yet."""
    (older,) = system.fleet.of("process")
    filters = tmp_path / "filters"
    filters.mkdir()
    (filters / "warm.py").write_text(versions.WARM)
    code = versions.NEXT_PROCESS.format(folder=str(filters))
    member = versions.next_version(older, tmp_path, code, DARKROOM_ADMIN_PORT=str(free_port("127.0.0.1")))
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
    # But for a webhook, which would leave this machine.
    old = [{**event, "webhook": None} for _, event in versions.of_version_1("uploaded")]
    with Redis.from_url(system.fleet.redis_url) as redis:
        jobs = []
        for event in (*old, *versions.FROM_NEWER_PUBLISHERS):
            store.put(event["source"], encoded(2))
            entry = redis.xadd(keys.uploaded(0), {"data": json.dumps(event), "baggage": "of a newer publisher"})
            jobs.append(event.get("job_id") or f"0-{entry.decode()}")
        beyond = [
            redis.xadd(keys.uploaded(0), {"data": json.dumps(event)}) for event in ({"v": 2}, {"v": 2, "source": "x"})
        ]
        finished = {
            **versions.PROGRESS,
            "job_id": "0-told-by-newer",
            "upload": {**versions.PROGRESS["upload"], "job_id": "0-told-by-newer"},
        }
        redis.xadd(keys.progress(0), {"data": json.dumps(finished)})
        redis.xadd(keys.progress(0), {"data": json.dumps({**finished, "v": 2})})
        worker.start()
        for job in (*jobs, "0-told-by-newer"):
            wait_until(lambda job=job: redis.hget(keys.job(0, job), "state") == b"done", timeout=60)
        # What has another meaning by now is kept for people, and blocks nobody.
        wait_until(lambda: redis.xlen(keys.dead(0)) == len(beyond) + 1)
        wait_until(lambda: redis.xpending(keys.uploaded(0), keys.PROCESS_GROUP)["pending"] == 0)


def test_results_reads_what_older_and_newer_versions_left(system: System) -> None:
    (results,) = system.fleet.of("results")
    results.send(signal.SIGTERM)
    assert results.wait(30)
    more = {"palette": "warm"}
    stream, hooks = keys.progress(0), keys.hooks(0)
    states = {}
    with Redis.from_url(system.fleet.redis_url) as redis, Receiver().running() as receiver:
        letters = redis.xlen(keys.dead(0))
        for version in ({}, more):
            mark = "0-newer" if version else "0-older"
            for name, record in versions.of_version_1("job"):
                states[f"{mark}-{name}"] = record["state"]
                fields = {**record, **version, "owner": "local", "batch": ""}
                redis.hset(keys.job(0, f"{mark}-{name}"), mapping=fields)
            for name, event in versions.of_version_1("progress"):
                job = f"{mark}-{name}"
                told = {**event, **version, "job_id": job, "upload": {**event["upload"], **version, "job_id": job}}
                states[job] = {"started": "processing", "processed": "done"}.get(event["type"], event["type"])
                redis.xadd(stream, {"data": json.dumps(told), **version})
            for name, hook in versions.of_version_1("hook"):
                told = {**hook, **version, "url": receiver.url}
                if "message_id" in hook:  # one that came back from its delay, within its day
                    again = {"message_id": f"msg_{mark}-{name}", "attempt": 1, "since": int(time.time() * 1000)}
                    told = {"data": json.dumps(told | again)}
                redis.xadd(hooks, told)
        redis.xadd(stream, {"data": json.dumps({**versions.PROGRESS, "job_id": "0-beyond", "v": 2})})
        results.start()
        wait_until(lambda: system.ready("results"), timeout=60)
        for job, state in states.items():
            wait_until(lambda job=job, state=state: _shown(system, job) == state, timeout=60)
        # The receiver refuses each once, so each was sent, kept, and sent again: by one version what another one wrote.
        wait_until(lambda: len(receiver.tries) == 4 and min(receiver.tries.values()) > 1, timeout=30)
        wait_until(lambda: redis.xlen(keys.dead(0)) == letters + 1)
        for group in ((stream, keys.RESULTS_GROUP), (hooks, keys.HOOKS_GROUP)):
            wait_until(lambda group=group: redis.xpending(*group)["pending"] == 0)


def _shown(system: System, job: str) -> str:
    """The state of a job as users see it; 410 of a tombstone is `deleted`."""
    answer = system.client.get(f"{system.fleet.results[0]}/v1/jobs/{job}")
    return "deleted" if answer.status_code == 410 else str(answer.json().get("state"))


@pytest.mark.timeout(300)
def test_other_versions_of_ingest_and_results_take_over_under_load_and_the_older_ones_again(
    system: System, tmp_path: Path
) -> None:
    older = [system.fleet.of(kind)[0] for kind in ("ingest", "results")]
    codes = (versions.NEXT_INGEST, versions.NEXT_RESULTS)
    newer = [versions.next_version(one, tmp_path / one.kind, code) for one, code in zip(older, codes, strict=True)]
    stream = keys.uploaded(0)
    with Redis.from_url(system.fleet.redis_url) as redis:
        # A group of somebody else's holds what was published, so that it can be looked at.
        redis.xgroup_create(stream, "looking", id="$")
        letters = redis.xlen(keys.dead(0))
        repeated = _repeated(system)
        try:
            with Uploader(system, pause=0.1) as uploader:
                for leaving, coming in ((older, newer), (newer, older)):
                    _replace(system, leaving, coming)
                    before = len(uploader.jobs)
                    wait_until(lambda before=before: len(uploader.jobs) > before + 5, timeout=30)
                    # What one version answered, the other one remembers.
                    assert _repeated(system) == repeated
            for job in uploader.jobs:
                system.develops(job)
            reply = redis.xreadgroup("looking", "looker", {stream: ">"}, count=100_000)
        finally:
            redis.xgroup_destroy(stream, "looking")
            for one in newer:
                if one.pid is not None:
                    one.end()
        told = [fields[b"data"] for _, fields in reply[0][1]]
        records = [redis.hgetall(keys.job(0, job)) for job in uploader.jobs]
        # The stream holds the events of both, the records the fields of both.
        assert {b"exposure" in text for text in told} == {b"palette" in record for record in records} == {False, True}
        # Each request was recorded once, whichever version had it and whoever asked again.
        assert sorted(json.loads(text)["job_id"] for text in told) == sorted([repeated, *uploader.jobs])
        assert redis.xlen(keys.dead(0)) == letters


def _replace(system: System, leaving: Sequence[Member], coming: Sequence[Member]) -> None:
    """Let some drain and end, then start others at their addresses, until those are ready."""
    for one in leaving:
        one.send(signal.SIGTERM)
    for one in leaving:
        assert one.wait(30)
        assert one.status == 0
    for one in coming:
        one.start()
    for one in coming:
        wait_until(lambda one=one: system.ready(one.kind), timeout=60)


def _repeated(system: System) -> str:
    """The job of a request that is always the same one."""
    url = f"{system.fleet.ingest[0]}/v1/images?filters=sepia"

    def answered() -> str:
        answer = system.ask("POST", url, content=encoded(3), headers={"Idempotency-Key": "the-same-one"})
        return "" if answer is None else str(answer.json()["jobs"][0]["id"])

    return wait_until(answered, timeout=30)
