"""Outages as long as the promises name them, with the default lease; too long for every day (`DARKROOM_CI=long`)."""

import signal
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from redis import Redis

from shared import keys
from shared.events import decode_progress
from shared.settings import Settings
from tests.chaos import fleet as fleets
from tests.support import system as systems
from tests.support.parts import LONG
from tests.support.system import System, Uploader
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.skipif(not LONG, reason="takes minutes"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    lease = Settings.model_fields["lease"].default
    fleet = fleets.build(tmp_path_factory.mktemp("long"), "", process=2, ingest=1, results=1, lease=lease)
    with httpx.Client(trust_env=False, timeout=15) as client, systems.started(System(fleet, client)) as system:
        yield system


@pytest.fixture
def system(started: System) -> System:
    return systems.well(started)


def test_a_server_that_stands_still_for_20_s_makes_no_job_run_twice(system: System) -> None:
    with Redis.from_url(system.fleet.redis_url) as redis:
        redis.xgroup_create(keys.progress(0), "counting", id="$")
        with Uploader(system, pause=0) as uploader:
            wait_until(lambda: len(uploader.jobs) > 20, timeout=30)
            system.fleet.server.send(signal.SIGSTOP)
            for_as_long(20, lambda: not system.none_ready(), at_first=5)
            system.fleet.server.send(signal.SIGCONT)
            wait_until(system.all_ready, timeout=10)
            sent = len(uploader.jobs)
            wait_until(lambda: len(uploader.jobs) > sent + 20, timeout=30)
        for job in uploader.jobs:
            system.develops(job)
        reply = redis.xreadgroup("counting", "counter", {keys.progress(0): ">"}, count=100_000)
        redis.xgroup_destroy(keys.progress(0), "counting")
    events = [decode_progress(fields) for _, fields in reply[0][1]]
    assert sorted(event.job_id for event in events if event.type != "started") == sorted(uploader.jobs)
    assert {event.attempt for event in events} == {1}


def test_a_store_that_is_away_for_a_minute_fails_no_job_and_readiness_says_so_all_the_while(system: System) -> None:
    folder = system.fleet.folder / "blobs"
    with Uploader(system, pause=0.02) as uploader:
        wait_until(lambda: len(uploader.jobs) > 20, timeout=30)
        away = folder.rename(folder.with_name("away"))
        for_as_long(60, lambda: not system.none_ready(), at_first=5)
        away.rename(folder)
        wait_until(system.all_ready, timeout=10)
        sent = len(uploader.jobs)
        wait_until(lambda: len(uploader.jobs) > sent + 20, timeout=30)
    for job in uploader.jobs:
        system.develops(job)
    assert system.told("process", "server away", server="blob store") <= len(system.fleet.of("process"))
    with Redis.from_url(system.fleet.redis_url) as redis:
        assert not redis.xlen(keys.dead(0))


def for_as_long(seconds: float, wrong: Callable[[], bool], *, at_first: float) -> None:
    """Ask all the while; what is asked may be true for so many seconds at first."""
    began = time.monotonic()
    wait_until(lambda: not wrong(), timeout=at_first)
    while time.monotonic() < began + seconds:
        assert not wrong()
