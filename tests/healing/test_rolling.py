"""Each service restarted one after the other under load: clients see nothing but retried 503s, no job is lost."""

import signal

import pytest
from redis import Redis

from shared import keys
from shared.events import decode_progress
from tests.healing.conftest import System
from tests.support.system import Uploader
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
