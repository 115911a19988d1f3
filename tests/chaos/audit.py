"""The audit: reads along on the progress stream during the storm, and counts everything after it."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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
from tests.chaos.storm import Storm
from tests.chaos.takeovers import Takeover, takeovers
from tests.chaos.webhooks import batches_that_lie

GROUP: Final = "audit"
_SOURCES: Final = (
    Source(keys.uploaded(0), keys.PROCESS_GROUP, 0),
    Source(keys.uploaded(0, bulk=True), keys.PROCESS_GROUP, 0, bulk=True),
    Source(keys.progress(0), keys.RESULTS_GROUP, 0),
    Source(keys.hooks(0), keys.HOOKS_GROUP, 0),
)
#: Leases that a silent worker's job may wait while others go on without a pause, its own lease not counted. Theirs to
#: do meanwhile: let the living renew after an outage (0.6), finish what they have in work, run other suspects before
#: it, one at a time.
MOST_STEADY: Final = 8.0
#: Jobs are counted per ten seconds, and these counts kept for fifteen minutes.
_COUNTED: Final = keys.TALLY_TTL - 120


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
    takeovers: list[Takeover] = field(default_factory=list)
    #: How often each job was run; each run but the last ended before the next began.
    runs: dict[str, int] = field(default_factory=dict)
    doubted: int = 0

    @property
    def again(self) -> int:
        """Jobs that were run again."""
        return sum(run > 1 for run in self.runs.values())

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
    if await redis.zcard(keys.hooks_delayed(0)):
        return False
    states = await _states(redis, ledger.promises)
    return all(state.decode() in records.TERMINAL for state in states if state)


async def audit(
    fleet: Fleet, ledger: Ledger, seen: Seen, storm: Storm, told: Sequence[Mapping[str, Any]], *, seconds: float
) -> Verdict:
    """Count everything. The fleet is up and quiet; `told` is what webhooks told, `seconds` how long it all took."""
    verdict = Verdict(jobs=len(ledger.promises), doubted=sum(promise.doubted for promise in ledger.promises))
    async with connect(fleet.redis_url) as redis:
        await seen.catch_up(redis)
        await _check_jobs(redis, ledger, verdict)
        await _check_letters(redis, ledger, verdict)
        verdict.wrong += await batches_that_lie(redis, ledger.batches, verdict.runs, told)
        if seconds < _COUNTED:
            await _check_counts(redis, seen, verdict)
        for source in _SOURCES:
            pending = await redis.xpending(source.stream, source.group)
            if pending["pending"]:
                verdict.wrong.append(f"{pending['pending']} entries pending on {source.stream}")
    _check_events(seen, ledger, verdict)
    verdict.takeovers = takeovers(seen.events, storm.silenced, lease=storm.lease)
    limit = MOST_STEADY * storm.lease
    verdict.wrong += [f"a takeover waited beside the living: {one}" for one in verdict.takeovers if one.steady > limit]
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
        verdict.runs[promise.job_id] = record.run
        if outcome not in promise.expected:
            verdict.wrong.append(f"{promise.job_id} is {outcome}, not {sorted(promise.expected)} ({error})")


async def _check_letters(redis: Redis, ledger: Ledger, verdict: Verdict) -> None:
    """A letter for each entry that is no event. One that was replayed died again, under an id that nobody knows."""
    known = Counter(entry for entry in ledger.nonsense if entry not in ledger.replayed)
    found = 0
    entries: Any = await redis.xrange(keys.dead(0))
    for _, fields in entries:
        letter = msgspec.json.decode(fields[b"data"], type=Letter)
        if letter.code != "invalid_event":
            verdict.wrong.append(f"dead letter of a good event: {letter}")
            continue
        found += 1
        known[f"{letter.stream} {letter.entry_id}"] -= 1
    verdict.lost += [f"dead letter of {entry}" for entry, missing in known.items() if missing > 0]
    verdict.doubled += [f"dead letter of {entry}" for entry, missing in known.items() if missing < -1]
    if found < len(ledger.nonsense):
        verdict.lost.append(f"{len(ledger.nonsense) - found} dead letters")
    if found > len(ledger.nonsense) + ledger.unknown:
        verdict.doubled.append(f"{found - len(ledger.nonsense)} dead letters")


async def _check_counts(redis: Redis, seen: Seen, verdict: Verdict) -> None:
    """Each run that ended was counted once; one that was cancelled meanwhile may have ended too late to count."""
    counted: Counter[str] = Counter()
    async for key in redis.scan_iter("tally:{0}:*", count=1000):
        tally: Any = await redis.hgetall(key)
        for name, number in tally.items():
            counted[name.decode()] += int(number)
    for state, kind in (("done", "processed"), ("failed", "failed")):
        ended = len({(event.job_id, event.run) for event in seen.events.values() if event.type == kind})
        if not ended - (verdict.doubted if state == "done" else 0) <= counted[state] <= ended:
            verdict.wrong.append(f"{counted[state]} jobs were counted as {state}, {ended} ended so")


def _check_events(seen: Seen, ledger: Ledger, verdict: Verdict) -> None:
    ends = Counter((event.job_id, event.run) for event in seen.events.values() if event.type != "started")
    verdict.doubled += [f"{job} run {run} ended {count} times" for (job, run), count in ends.items() if count > 1]
    for promise in ledger.promises:
        run = verdict.runs.get(promise.job_id, 1)
        if not ends[promise.job_id, run] and not promise.expected & {"cancelled", "deleted"}:
            verdict.wrong.append(f"{promise.job_id} has no event that ended its run {run}")


async def _check_bytes(fleet: Fleet, ledger: Ledger, verdict: Verdict) -> None:
    """Every done job's result can be fetched, and twins have the same bytes."""
    twins: dict[str, bytes] = {}
    async with httpx.AsyncClient(trust_env=False, base_url=fleet.results[0], timeout=30) as client:
        for promise in ledger.promises:
            if promise.expected != {"done"}:
                continue
            answer = await client.get(f"/v1/jobs/{promise.job_id}/result")
            if answer.status_code != 200 or not answer.content:
                verdict.wrong.append(f"result of {promise.job_id}: {answer.status_code} {answer.text[:200]}")
            elif promise.twin and twins.setdefault(promise.twin, answer.content) != answer.content:
                verdict.wrong.append(f"{promise.job_id} differs from a twin ({promise.twin})")
