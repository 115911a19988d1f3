"""Images that hold a pool child, in the running services: tried once more, failed alone, stopped when cancelled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from redis import Redis

from shared import keys
from tests.chaos import fleet as fleets
from tests.support import system as systems
from tests.support.system import System
from tests.support.waiting import wait_until

#: Seconds that an image may take here; a long chain on a large picture takes many.
LIMIT = 3.0
LONG = "?filters=" + ",".join(["blur:size=99:sigma=50"] * 32)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    fleet = fleets.build(tmp_path_factory.mktemp("children"), "", process=1, ingest=1, results=1, lease=2.0)
    for member in fleet.of("process"):
        member.environment = {**member.environment, "DARKROOM_TIME_LIMIT": str(LIMIT), "DARKROOM_WORKERS": "1"}
    with httpx.Client(trust_env=False, timeout=15) as client, systems.started(System(fleet, client)) as running:
        yield running


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.jpg"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 256, (2000, 2000, 3), dtype=np.uint8))
    return path


def start_long(system: System, picture: Path) -> str:
    """A job whose image takes longer than it may, in work."""
    body = picture.read_bytes() + system.unique().encode()
    answer = system.client.post(f"{system.fleet.ingest[0]}/v1/images{LONG}", content=body).raise_for_status()
    job = str(answer.json()["jobs"][0]["id"])
    wait_until(lambda: system.state(job) == "processing", timeout=30)
    return job


def document(system: System, job: str) -> dict[str, Any]:
    found: dict[str, Any] = system.client.get(f"{system.fleet.results[0]}/v1/jobs/{job}").raise_for_status().json()
    return found


def pending(redis: Redis) -> list[bytes]:
    """Ids of the entries in work."""
    found = redis.xpending_range(keys.uploaded(0), keys.PROCESS_GROUP, "-", "+", 10)
    return [entry["message_id"] for entry in found]


def replaced(system: System, reason: str) -> int:
    return system.told("process", "replacing a worker", reason=reason)


def test_an_image_that_hangs_its_child_is_tried_once_more_and_fails_alone(system: System, large: Path) -> None:
    system.mark()
    job = start_long(system, large)
    innocent = system.submit()
    wait_until(lambda: system.state(job) == "failed", timeout=60)
    assert document(system, job)["error"]["code"] == "timed_out"
    assert replaced(system, "timed_out") == 2
    system.develops(innocent)
    assert document(system, innocent)["attempts"] == 1


def test_cancelling_stops_the_child_at_once(system: System, large: Path) -> None:
    system.mark()
    job = start_long(system, large)
    system.client.delete(f"{system.fleet.results[0]}/v1/jobs/{job}").raise_for_status()
    wait_until(lambda: replaced(system, "cancelled") == 1, timeout=30)
    assert system.state(job) == "cancelled"
    assert replaced(system, "timed_out") == 0
    system.develops()


def test_a_worker_that_lost_its_entry_stops_the_child_at_its_next_renewal(system: System, large: Path) -> None:
    system.mark()
    job = start_long(system, large)
    with Redis.from_url(system.fleet.redis_url) as redis:
        (entry,) = pending(redis)
        redis.xclaim(keys.uploaded(0), keys.PROCESS_GROUP, "thief", 0, [entry], justid=True)
        wait_until(lambda: replaced(system, "cancelled") == 1, timeout=30)
        assert pending(redis) == [entry], "it is the thief's"
        assert (system.state(job), replaced(system, "timed_out")) == ("processing", 0)
        system.client.delete(f"{system.fleet.results[0]}/v1/jobs/{job}").raise_for_status()
        system.develops()
        wait_until(lambda: not pending(redis), timeout=30)
