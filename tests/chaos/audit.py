"""The audit: reads along on the progress stream during the storm, and counts everything after it."""

import asyncio
from bisect import bisect_left
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import httpx
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared import keys, records
from shared.connections import connect
from shared.dead_letters import Letter
from shared.entries import Source
from shared.events import ImageProgress, decode_progress
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger, Promise

GROUP: Final = "audit"
_SOURCES: Final = (
    Source(keys.uploaded(0), keys.PROCESS_GROUP, 0),
    Source(keys.uploaded(0, bulk=True), keys.PROCESS_GROUP, 0, bulk=True),
    Source(keys.progress(0), keys.RESULTS_GROUP, 0),
)


@dataclass
class Seen:
    """Every progress event by its entry id, so that one read twice counts once."""

    events: dict[str, ImageProgress] = field(default_factory=dict)

    async def read_along(self, url: str) -> None:
        """Read as a group of somebody else's does, until cancelled."""
        async with connect(url) as redis:
            while True:
                with suppress(RedisError, OSError):
                    await self._turn(redis)
                    continue
                await asyncio.sleep(0.2)  # the server is away: that is the storm's doing; ask again

    async def catch_up(self, redis: Redis) -> None:
        while await self._turn(redis, block=None):
            pass

    async def _turn(self, redis: Redis, block: int | None = 500) -> int:
        stream = keys.progress(0)
        with suppress(RedisError):
            await redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
        pending: Any = await redis.xreadgroup(GROUP, "auditor", {stream: "0"}, count=500)
        reply: Any = await redis.xreadgroup(GROUP, "auditor", {stream: ">"}, count=500, block=block)
        entries = [entry for part in (pending or [], reply or []) for _, found in part for entry in found]
        for entry_id, fields in entries:
            if fields:
                self.events[entry_id.decode()] = decode_progress(fields)
        if entries:
            await redis.xack(stream, GROUP, *(entry_id for entry_id, _ in entries))
        return len(entries)


@dataclass
class Verdict:
    """What the audit found. `wrong` lists everything that must not be, in words."""

    jobs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    attempts: Counter[int] = field(default_factory=Counter)
    #: Seconds from the moment a worker was silenced, and another one showed life, to the next start of its job.
    takeovers: list[float] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


async def settled(redis: Redis, ledger: Ledger) -> bool:
    """Whether every promised job is terminal and nothing is pending or unread."""
    for source in _SOURCES:
        pending = await redis.xpending(source.stream, source.group)
        groups = await redis.xinfo_groups(source.stream)
        lag = next(group["lag"] for group in groups if group["name"] == source.group.encode())
        if pending["pending"] or lag:
            return False
    states = await _states(redis, ledger.promises)
    return all(state.decode() in records.TERMINAL for state in states if state)


async def audit(fleet: Fleet, ledger: Ledger, seen: Seen, silenced: dict[int, float]) -> Verdict:
    """Count everything. The fleet is up and quiet."""
    verdict = Verdict(jobs=len(ledger.promises))
    async with connect(fleet.redis_url) as redis:
        await seen.catch_up(redis)
        await _check_jobs(redis, ledger, verdict)
        await _check_letters(redis, ledger, verdict)
        for source in _SOURCES:
            pending = await redis.xpending(source.stream, source.group)
            if pending["pending"]:
                verdict.wrong.append(f"{pending['pending']} entries pending on {source.stream}")
    _check_events(seen, ledger, verdict)
    _measure_takeovers(seen, silenced, verdict)
    verdict.wrong += ledger.errors
    await _check_bytes(fleet, ledger, verdict)
    return verdict


async def _states(redis: Redis, promises: list[Promise]) -> list[bytes | None]:
    pipeline = redis.pipeline(transaction=False)
    for promise in promises:
        pipeline.hget(keys.job(0, promise.job_id), "state")
    return list(await pipeline.execute())


async def _check_jobs(redis: Redis, ledger: Ledger, verdict: Verdict) -> None:
    pipeline = redis.pipeline(transaction=False)
    for promise in ledger.promises:
        pipeline.hgetall(keys.job(0, promise.job_id))
    for promise, fields in zip(ledger.promises, await pipeline.execute(), strict=True):
        record = records.read(promise.job_id, fields)
        if record is None or not record.terminal:
            verdict.lost.append(f"{promise.job_id} is {record.state if record else 'unknown'}")
            continue
        error = record.progress.error if record.progress else None
        outcome = error.code if error else record.state
        verdict.outcomes[outcome] += 1
        verdict.attempts[record.attempts] += 1
        if outcome != promise.expected:
            verdict.wrong.append(f"{promise.job_id} is {outcome}, not {promise.expected} ({error})")


async def _check_letters(redis: Redis, ledger: Ledger, verdict: Verdict) -> None:
    expected = Counter(ledger.nonsense)
    entries: Any = await redis.xrange(keys.dead(0))
    for _, fields in entries:
        letter = msgspec.json.decode(fields[b"data"], type=Letter)
        if letter.code != "invalid_event":
            verdict.wrong.append(f"dead letter of a good event: {letter}")
        expected[f"{letter.stream} {letter.entry_id}"] -= 1
    verdict.lost += [f"dead letter of {entry}" for entry, missing in expected.items() if missing > 0]
    if not ledger.unknown:
        verdict.doubled += [f"dead letter of {entry}" for entry, missing in expected.items() if missing < 0]


def _check_events(seen: Seen, ledger: Ledger, verdict: Verdict) -> None:
    ends = Counter((event.job_id, event.run) for event in seen.events.values() if event.type != "started")
    verdict.doubled += [f"{job} run {run} ended {count} times" for (job, run), count in ends.items() if count > 1]
    for promise in ledger.promises:
        if not ends[promise.job_id, 1]:
            verdict.wrong.append(f"{promise.job_id} has no event that ended it")


def _measure_takeovers(seen: Seen, silenced: dict[int, float], verdict: Verdict) -> None:
    by_job: dict[str, list[tuple[float, ImageProgress]]] = defaultdict(list)
    for entry_id, event in sorted(seen.events.items(), key=lambda item: tuple(map(int, item[0].split("-")))):
        by_job[event.job_id].append((int(entry_id.split("-")[0]) / 1000, event))
    signs = sorted((at, event.worker) for story in by_job.values() for at, event in story)
    for story in by_job.values():
        for (begun, before), (again, after) in pairwise(story):
            silent = silenced.get(_pid(before.worker))
            if before.worker != after.worker and silent is not None and begun <= silent <= again:
                verdict.takeovers.append(again - _somebody_alive(signs, before.worker, silent))


def _somebody_alive(signs: list[tuple[float, str]], silenced: str, since: float) -> float:
    """When another worker gave its first sign of life after a moment; nobody can take over before."""
    return next(at for at, worker in signs[bisect_left(signs, (since, "")) :] if worker not in ("", silenced))


def _pid(worker: str) -> int:
    """A consumer is named `<host>-<pid>-<random>`."""
    return int(worker.rsplit("-", 2)[1]) if worker.count("-") >= 2 else 0


async def _check_bytes(fleet: Fleet, ledger: Ledger, verdict: Verdict) -> None:
    """Every done job's result can be fetched, and twins have the same bytes."""
    twins: dict[str, bytes] = {}
    async with httpx.AsyncClient(trust_env=False, base_url=fleet.results[0], timeout=30) as client:
        for promise in ledger.promises:
            if promise.expected != "done":
                continue
            answer = await client.get(f"/v1/jobs/{promise.job_id}/result")
            if answer.status_code != 200 or not answer.content:
                verdict.wrong.append(f"result of {promise.job_id}: {answer.status_code} {answer.text[:200]}")
            elif promise.twin and twins.setdefault(promise.twin, answer.content) != answer.content:
                verdict.wrong.append(f"{promise.job_id} differs from a twin ({promise.twin})")
