"""How long a task may wait, kept by one timer for all."""

import asyncio
import time

import pytest

from shared.patience import Patience


@pytest.fixture
def patience() -> Patience:
    return Patience(0.04)


async def test_what_comes_in_time_is_given(patience: Patience) -> None:
    assert await patience.wait(asyncio.sleep(0, "a byte")) == "a byte"


async def test_who_waits_too_long_is_told_so_and_goes_on(patience: Patience) -> None:
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await patience.wait(asyncio.Event().wait())
    assert await patience.wait(asyncio.sleep(0, "a byte")) == "a byte"


async def test_many_wait_each_for_their_own_time(patience: Patience) -> None:
    coming = asyncio.Event()
    outcomes = asyncio.gather(
        *(patience.wait(event.wait()) for event in (asyncio.Event(), coming, asyncio.Event())), return_exceptions=True
    )
    await asyncio.sleep(0)
    coming.set()
    assert [type(outcome) for outcome in await outcomes] == [TimeoutError, bool, TimeoutError]


async def test_what_came_while_the_loop_was_held_up_is_taken(patience: Patience) -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(patience.wait(event.wait()))
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251 - it is the loop that is held up
    event.set()
    assert await waiting


async def test_a_task_that_somebody_else_stops_is_stopped(patience: Patience) -> None:
    waiting = asyncio.create_task(patience.wait(asyncio.Event().wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_stopped_and_late_at_one_time_is_stopped(patience: Patience) -> None:
    waiting = asyncio.create_task(patience.wait(asyncio.Event().wait()))
    await asyncio.sleep(0)
    # The one moment that no clock can be made to meet.
    patience._waiting[waiting] = 0
    patience._look()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_nobody_waiting_leaves_no_timer(patience: Patience) -> None:
    await patience.wait(asyncio.sleep(0))
    async with asyncio.timeout(5):
        while patience._timer is not None:  # noqa: ASYNC110 - there is no event for a timer that ends
            await asyncio.sleep(0.005)
