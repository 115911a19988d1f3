"""For each script of `shared/lua` a scene in which it has something to do, the call, and what it answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from shared import keys
from tests.stage.conftest import UPLOADS, publish, read_as

PROGRESS: Final = keys.progress(0)
DEAD: Final = keys.dead(0)
HOOKS: Final = (keys.hooks(0), keys.hooks_delayed(0))
JOB: Final = "0-x"
JOB_KEY: Final = keys.job(0, JOB)
BATCH_KEYS: Final = (keys.batch(0, "0-b"), keys.batch_jobs(0, "0-b"))
CHANGES: Final = keys.changes(0)
LEASE_MS: Final = 1000


@dataclass(frozen=True)
class Call:
    """One call of a script and its answer, none where that depends on the clock."""

    keys: Sequence[str]
    args: Sequence[Any]
    answer: Any = None


Scene = Callable[[Redis], Awaitable[Call]]


async def _in_work(redis: Redis, consumer: str = "a", *, starts: int | None = None) -> str:
    """An entry that a consumer has; with `starts` its lease is over and it counts so many."""
    (entry_id,) = await publish(redis, 1)
    await read_as(redis, consumer, 1)
    if starts is not None:
        place = (UPLOADS.stream, UPLOADS.group, consumer, 0, [entry_id])
        await redis.xclaim(*place, idle=60_000, retrycount=starts, justid=True)
    return entry_id


async def _job(redis: Redis, state: str, *, batch: str = "0-b") -> None:
    record = {"state": state, "version": 1, "owner": "local", "batch": batch, "created": 1, "event": "{}"}
    await redis.hset(JOB_KEY, mapping=record)
    await redis.hset(BATCH_KEYS[0], mapping={"owner": "local", "total": 1, "created": 1})
    await redis.zadd(BATCH_KEYS[1], {JOB: 1})
    await redis.zadd(keys.index(0, "local"), {JOB: 1})
    await redis.sadd(keys.owners(0), "local")


async def _letter(redis: Redis) -> str:
    return (await redis.xadd(DEAD, {"data": "{}", "entry.data": "{}"})).decode()


async def bury(redis: Redis) -> Call:
    entry_id = await _in_work(redis)
    args = [UPLOADS.group, "a", entry_id, "{}", '{"type":"failed"}', "", "", "data", "0"]
    return Call([UPLOADS.stream, DEAD, PROGRESS], args, 1)


async def cancel(redis: Redis) -> Call:
    await _job(redis, "processing")
    names = [JOB_KEY, keys.version(0), keys.hooks(0), *BATCH_KEYS]
    return Call(names, ["cancel", JOB, "local", "0-b", CHANGES, 60, 600, "http://x/", ""], b"cancelled")


async def delete(redis: Redis) -> Call:
    await _job(redis, "done")
    names = [JOB_KEY, keys.version(0), keys.hooks(0), *BATCH_KEYS]
    return Call(names, ["delete", JOB, "local", "0-b", CHANGES, 60, 600, "http://x/", ""], b"deleted")


def claim(what: str, starts: int, before: int) -> Scene:
    async def scene(redis: Redis) -> Call:
        entry_id = await _in_work(redis, "dead", starts=starts)
        args = [UPLOADS.group, "b", LEASE_MS, "-", 8, 3, 0, what]
        answer = [b"-", [[entry_id.encode(), before, [b"data", b"0"]]], int(what == "suspect"), 0, 0]
        return Call([UPLOADS.stream, "turn:x", "seeker:x"], args, answer)

    return scene


async def close(redis: Redis) -> Call:
    await _job(redis, "done")
    await redis.hset(BATCH_KEYS[0], mapping={"terminal": 1, "expected": 3, "webhook": "http://x/"})
    return Call([*BATCH_KEYS, keys.version(0), keys.hooks(0)], ["0-b", "local", CHANGES, 60, ""], 1)


async def due(redis: Redis) -> Call:
    await redis.zadd(HOOKS[1], {"{}": 1, "[]": 2})
    return Call(HOOKS, [100], 2)


async def ensure(redis: Redis) -> Call:
    return Call([UPLOADS.stream], [UPLOADS.group], 1)


async def hand_back(redis: Redis) -> Call:
    entry_id = await _in_work(redis)
    return Call([UPLOADS.stream], [UPLOADS.group, "a", keys.RELEASED, LEASE_MS, entry_id], 1)


async def hook(redis: Redis) -> Call:
    await redis.xgroup_create(HOOKS[0], keys.HOOKS_GROUP, id="0", mkstream=True)
    entry_id = (await redis.xadd(HOOKS[0], {"data": "{}"})).decode()
    await redis.xreadgroup(keys.HOOKS_GROUP, "a", {HOOKS[0]: ">"})
    return Call(HOOKS, [keys.HOOKS_GROUP, "a", entry_id, "{}", 60_000, 600], 1)


async def lock(redis: Redis) -> Call:
    return Call(["lock"], ["a", 60_000], 1)


async def note(redis: Redis) -> Call:
    await _job(redis, "processing")
    return Call([JOB_KEY], ['{"run":1}'], 1)


async def offer(redis: Redis) -> Call:
    return Call([keys.CATALOGUE_KEY], ["engine", "{}", 30], 1)


async def project(redis: Redis) -> Call:
    await _job(redis, "processing")
    await redis.xgroup_create(PROGRESS, keys.RESULTS_GROUP, id="0", mkstream=True)
    entry_id = (await redis.xadd(PROGRESS, {"data": "{}"})).decode()
    await redis.xreadgroup(keys.RESULTS_GROUP, "a", {PROGRESS: ">"})
    names = [PROGRESS, keys.version(0), keys.owners(0), keys.hooks(0), "tally:{0}:1"]
    facts = [1, entry_id, "processed", JOB, 1, 1, 2, 1, "{}", "", "", ""]
    args = [keys.RESULTS_GROUP, CHANGES, 600, 60, 900, 1, "local", "0-b", "", "http://x/", *facts]
    return Call([*names, keys.index(0, "local"), *BATCH_KEYS, JOB_KEY], args)


async def reject(redis: Redis) -> Call:
    entry_id = await _in_work(redis)
    return Call([UPLOADS.stream, DEAD], [UPLOADS.group, "a", entry_id, "{}", "data", "0"], 1)


async def release(redis: Redis) -> Call:
    await _in_work(redis)
    return Call([UPLOADS.stream], [UPLOADS.group, "a", keys.RELEASED, LEASE_MS, 1, 0], 1)


async def renew(redis: Redis) -> Call:
    entry_id = await _in_work(redis)
    await _job(redis, "processing")
    return Call([UPLOADS.stream, JOB_KEY], [UPLOADS.group, "a", entry_id, 1], [1])


async def replay(redis: Redis) -> Call:
    letter = await _letter(redis)
    await _job(redis, "failed")
    names = [DEAD, UPLOADS.stream, JOB_KEY, keys.version(0), keys.index(0, "local"), keys.owners(0), *BATCH_KEYS]
    return Call(names, [letter, JOB, "local", "0-b", 2, "{}", "", "", "", CHANGES, 600, 1, "", 1, 1, ""], 1)


async def restore(redis: Redis) -> Call:
    letter = await _letter(redis)
    return Call([DEAD, UPLOADS.stream, keys.restored(0, letter)], [letter, 60, ""])


async def noted(redis: Redis) -> Call:
    return Call([keys.SCHEMA_KEY], [keys.SCHEMA_VERSION], str(keys.SCHEMA_VERSION).encode())


async def settle(redis: Redis) -> Call:
    entry_id = await _in_work(redis)
    return Call([UPLOADS.stream, PROGRESS], [UPLOADS.group, "a", entry_id, "{}", "", ""], [1])


async def start(redis: Redis) -> Call:
    entry_id = await _in_work(redis)
    await _job(redis, "queued")
    args = [UPLOADS.group, "a", entry_id, 1, "{}", "", "", 1]
    return Call([UPLOADS.stream, PROGRESS, JOB_KEY], args, [1, 0])


async def submit(redis: Redis) -> Call:
    names = [UPLOADS.stream, keys.uploaded(0, bulk=True), keys.version(0), keys.owners(0)]
    request = [BATCH_KEYS[0], *BATCH_KEYS, keys.index(0, "local"), JOB_KEY]
    return Call([*names, *request], [CHANGES, 600, 60, 1, "local", "0-b", "1", "", "", 1, JOB, "{}", "", "", ""])


async def sweep(redis: Redis) -> Call:
    await _job(redis, "done")
    await redis.zadd(keys.index(0, "local"), {"0-over": 1})
    names = [keys.owners(0), keys.index(0, "local"), JOB_KEY, keys.job(0, "0-over")]
    return Call(names, ["local", 60, JOB, "0-over"], [2, -1])


async def trim(redis: Redis) -> Call:
    entry_id = await _in_work(redis)
    await redis.xack(UPLOADS.stream, UPLOADS.group, entry_id)
    return Call([UPLOADS.stream], [100, 60_000, UPLOADS.group], [1, 0])


#: By script, and what it does where it does several things.
SCENES: Final[dict[str, Scene]] = {
    "bury": bury,
    "cancel": cancel,
    "cancel, deleting": delete,
    "claim, a look at fresh": claim("look", 0, 0),
    "claim, a spent one": claim("spent", 3, 3),
    "claim, fresh for a lane": claim("fresh", 0, 0),
    "claim, a suspect": claim("suspect", 1, 1),
    "close": close,
    "due": due,
    "ensure": ensure,
    "hand_back": hand_back,
    "hook": hook,
    "lock": lock,
    "note": note,
    "offer": offer,
    "project": project,
    "reject": reject,
    "release": release,
    "renew": renew,
    "replay": replay,
    "restore": restore,
    "schema": noted,
    "settle": settle,
    "start": start,
    "submit": submit,
    "sweep": sweep,
    "trim": trim,
}
#: Those that bring new work, which a full server refuses.
NEW_WORK: Final = frozenset({"replay", "restore", "submit"})
