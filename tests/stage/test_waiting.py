"""Waiting out what passes, telling it once, and raising what does not pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from redis import exceptions as redis_errors
from redis.asyncio import Redis
from structlog.testing import capture_logs

from shared.chores import Chore
from shared.outage import Outage, passes

WaitUntil = Callable[..., Awaitable[None]]


@pytest.mark.parametrize(
    "error",
    [
        redis_errors.ConnectionError("refused"),
        redis_errors.TimeoutError("late"),
        redis_errors.BusyLoadingError("LOADING"),
        redis_errors.ReadOnlyError("You can't write against a read only replica."),
        redis_errors.OutOfMemoryError("command not allowed"),
        redis_errors.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        redis_errors.ResponseError("NOREPLICAS Not enough good replicas to write."),
        redis_errors.ResponseError("UNBLOCKED force unblock from blocking operation"),
        ConnectionResetError(),
    ],
    ids=lambda error: f"{type(error).__name__} {error}"[:40],
)
def test_what_somebody_else_will_mend_passes(error: Exception) -> None:
    assert passes(error)


@pytest.mark.parametrize(
    "error",
    [
        redis_errors.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        redis_errors.ResponseError("ERR value is not an integer or out of range"),
        redis_errors.DataError("Invalid input of type: 'NoneType'."),
        ValueError("ours"),
    ],
    ids=lambda error: f"{type(error).__name__} {error}"[:40],
)
def test_a_wrong_call_is_wrong_for_ever(error: Exception) -> None:
    assert not passes(error)


async def test_a_read_that_waited_since_before_an_outage_does_not_end_it() -> None:
    """Else a full disk is told again with every read that comes to its end, and readiness says well meanwhile."""
    outage = Outage("redis", longest_pause=0.05)
    reading = time.monotonic()
    with capture_logs() as logs:
        await outage.wait(redis_errors.ResponseError("MISCONF"), began=time.monotonic())
        outage.over(began=reading)
        assert outage.ongoing
        assert outage.error is not None
        outage.over(began=time.monotonic())
    assert not outage.ongoing
    assert [entry["event"] for entry in logs] == ["server away", "server back"]


async def test_an_outage_is_told_once_however_many_calls_fail() -> None:
    outage = Outage("redis", longest_pause=0.05)
    failures = 20

    async def call() -> str:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise redis_errors.ConnectionError("refused")
        return "well"

    with capture_logs() as logs:
        answers = await asyncio.gather(*(outage.persist(call) for _ in range(5)))
    assert answers == ["well"] * 5
    assert [line["event"] for line in logs] == ["server away", "server back"]


async def test_a_call_from_before_the_end_of_an_outage_tells_nothing_new() -> None:
    outage = Outage("redis", longest_pause=0.05)
    error = redis_errors.TimeoutError("late")
    began = time.monotonic()
    await outage.wait(error, began=began)
    outage.over()
    with capture_logs() as logs:
        await outage.wait(error, began=began)
    assert logs == []
    assert not outage.ongoing


async def test_a_wrong_call_is_raised_and_not_repeated(redis: Redis) -> None:
    await redis.set("text", "no list")
    with capture_logs() as logs, pytest.raises(redis_errors.ResponseError, match="WRONGTYPE"):
        await Outage("redis").persist(redis.lpush, "text", "x")
    assert logs == []


async def test_a_chore_that_fails_is_told_once_shows_its_fault_and_goes_on(wait_until: WaitUntil) -> None:
    broken, rounds = True, 0

    async def step() -> None:
        nonlocal rounds
        rounds += 1
        if broken:
            raise ValueError("a defect of ours")

    chore = Chore("a chore", step, pause=0.001, outage=Outage("redis"))
    with capture_logs() as logs:
        task = asyncio.create_task(chore.run())
        await wait_until(lambda: rounds >= 3)
        assert isinstance(chore.fault, ValueError)
        broken = False
        await wait_until(lambda: chore.fault is None)
    task.cancel()
    assert [line["event"] for line in logs] == ["a chore fails"]
