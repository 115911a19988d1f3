"""Calls made at one time share a commit; one made alone goes at once; nobody suffers for another."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.group_commit import GroupCommit


class Log:
    """Something to commit to: remembers the groups, waits for a gate, fails for the item 'bad'."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()

    async def commit(self, items: Sequence[str]) -> list[str | Exception]:
        self.groups.append(list(items))
        self.entered.set()
        await self.gate.wait()
        return [ValueError(item) if item == "bad" else item.upper() for item in items]


def grouped(log: Log, most: int = 64) -> GroupCommit[str, str]:
    return GroupCommit(log.commit, weight=len, most=most)


async def test_a_call_made_alone_goes_at_once() -> None:
    log = Log()
    log.gate.set()

    assert await grouped(log).add("a") == "A"
    assert log.groups == [["a"]]


async def test_those_who_come_during_a_commit_share_the_next() -> None:
    log = Log()
    commits = grouped(log)
    tasks = [asyncio.create_task(commits.add(name)) for name in "abcd"]
    await log.entered.wait()
    log.gate.set()

    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D"]
    assert log.groups == [["a"], ["b", "c", "d"]]


async def test_a_group_weighs_no_more_than_allowed_unless_one_item_does() -> None:
    log = Log()
    commits = grouped(log, most=4)
    tasks = [asyncio.create_task(commits.add(item)) for item in ("a", "bb", "cc", "d", "eeeeee", "f")]
    await log.entered.wait()
    log.gate.set()
    await asyncio.gather(*tasks)

    assert log.groups == [["a"], ["bb", "cc"], ["d"], ["eeeeee"], ["f"]]


async def test_a_failure_is_raised_to_its_caller_alone() -> None:
    log = Log()
    log.gate.set()
    commits = grouped(log)

    outcomes = await asyncio.gather(*(commits.add(item) for item in ("a", "bad", "c")), return_exceptions=True)

    assert outcomes[0] == "A"
    assert isinstance(outcomes[1], ValueError)
    assert outcomes[2] == "C"


@pytest.mark.parametrize("victim", range(4))
async def test_whoever_is_cancelled_the_others_are_committed(victim: int) -> None:
    log = Log()
    commits = grouped(log)
    tasks = [asyncio.create_task(commits.add(name)) for name in "abcd"]
    await log.entered.wait()

    tasks[victim].cancel()
    log.gate.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(outcomes.pop(victim), asyncio.CancelledError)
    assert outcomes == [name.upper() for name in "abcd" if name != "abcd"[victim]]
    assert await commits.add("z") == "Z"


async def test_a_follower_that_is_cancelled_as_it_takes_over_passes_on() -> None:
    log = Log()
    commits = grouped(log)
    tasks = [asyncio.create_task(commits.add(name)) for name in "abc"]
    await log.entered.wait()

    tasks[0].cancel()
    await asyncio.sleep(0)
    tasks[1].cancel()
    log.gate.set()

    assert await tasks[2] == "C"


async def test_with_a_linger_those_who_come_a_little_later_are_committed_together() -> None:
    groups: list[list[int]] = []

    async def commit(items: Sequence[int]) -> Sequence[int]:
        groups.append(list(items))
        return items

    lingering: GroupCommit[int, int] = GroupCommit(commit, weight=lambda _: 1, most=10, linger=lambda: 0.05)
    first = asyncio.create_task(lingering.add(1))
    await asyncio.sleep(0)
    assert await asyncio.gather(lingering.add(2), first) == [2, 1]
    assert groups == [[1, 2]]
