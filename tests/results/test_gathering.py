"""The projection reads what comes at about one time together."""

import asyncio

import pytest

from services.results import gathering
from services.results.gathering import GatheringDoor
from shared import keys
from shared.entries import Source

STREAM = Source(keys.progress(0), keys.RESULTS_GROUP, 0)
OTHER = Source(keys.progress(1), keys.RESULTS_GROUP, 1)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes time."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


@pytest.mark.parametrize(("taken", "waits"), [(0, False), (1, False), (2, True), (63, True), (64, False)], ids=str)
async def test_a_read_waits_only_after_one_that_brought_several_but_not_all(
    pauses: list[float], taken: int, waits: bool
) -> None:
    door = GatheringDoor(64)
    door.leave(STREAM, await door.admit(STREAM), taken)
    assert not pauses
    assert await door.admit(STREAM) == 64
    assert pauses == ([gathering.PAUSE] if waits else [])


async def test_one_lane_of_a_stream_reads_at_a_time() -> None:
    door = GatheringDoor(64)
    await door.admit(STREAM)
    second = asyncio.create_task(door.admit(STREAM))
    assert await door.admit(OTHER) == 64
    assert not second.done()
    door.leave(STREAM, 64, 1)
    assert await second == 64


async def test_a_lane_that_is_stopped_while_it_waits_lets_the_others_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PAUSE", 3600)
    door = GatheringDoor(64)
    door.leave(STREAM, await door.admit(STREAM), 2)
    paused, waiting = (asyncio.create_task(door.admit(STREAM)) for _ in range(2))
    for _ in range(3):
        await asyncio.sleep(0)
    monkeypatch.setattr(gathering, "PAUSE", 0)
    paused.cancel()
    assert await waiting == 64
