"""Waiting for a condition instead of sleeping for a guess."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.02


def wait_until(condition: Callable[[], T], timeout: float = 10.0) -> T:
    """Ask again and again until the answer is true, and return it; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(_late(condition, timeout, answer))
        time.sleep(_PAUSE)
    return answer


async def eventually(condition: Callable[[], T | Awaitable[T]], timeout: float = 10.0) -> T:  # noqa: ASYNC109
    """The same inside an event loop; the condition may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(_late(condition, timeout, answer))
        await asyncio.sleep(_PAUSE)


def _late(condition: Callable[..., object], timeout: float, answer: object) -> str:
    try:
        source = inspect.getsource(condition).strip()
    except OSError:
        source = repr(condition)
    return f"not true within {timeout:g} s (the last answer was {answer!r}): {source}"
