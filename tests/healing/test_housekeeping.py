"""What is left behind: no key without an end that should have one, and no memory that grows with finished jobs."""

import re
import signal
import time

from redis import Redis

from shared import keys
from tests.healing.conftest import System
from tests.support.receiver import Receiver
from tests.support.system import encoded
from tests.support.waiting import wait_until

#: Keys that stay: the streams, what indexes and counts, what describes the data. Everything else must have an end.
LASTING = re.compile(
    r"image\.(uploaded|uploaded\.bulk|progress|dead|hooks):\{0\}|version:\{0\}|owners:\{0\}|jobs:\{0\}:.+"
    r"|darkroom:(schema|catalogue|store)"
)


def endless(redis: Redis) -> list[str]:
    """Keys that should have an end and have none."""
    found = [key.decode() for key in redis.scan_iter(count=1000) if redis.ttl(key) == -1]
    return [key for key in found if not LASTING.fullmatch(key)]


def test_every_key_that_is_not_lasting_has_an_end(system: System) -> None:
    """Also those of jobs that were cancelled, run again, deleted or buried, of batches, and of webhooks that wait."""
    (worker,) = system.fleet.of("process")
    jobs = f"{system.fleet.results[0]}/v1/jobs"
    with Redis.from_url(system.fleet.redis_url) as redis, Receiver().running() as receiver:
        worker.send(signal.SIGSTOP)
        batch = f"0-{system.unique()}"
        kept, dropped, again = [upload(system, batch, receiver.url) for _ in range(3)]
        for job in (dropped, again):
            system.client.delete(f"{jobs}/{job}").raise_for_status()
        system.client.post(f"{jobs}/{again}/retry").raise_for_status()
        assert endless(redis) == []
        redis.xadd(keys.uploaded(0), {"data": "no event"})
        worker.send(signal.SIGCONT)
        for job in (kept, again):
            system.develops(job)
        # Each is refused once and waits.
        wait_until(lambda: redis.zcard(keys.hooks_delayed(0)))
        assert redis.ttl(keys.hooks_delayed(0)) > 24 * 3600
        wait_until(lambda: redis.xlen(keys.dead(0)) == 1)
        assert endless(redis) == []
        system.client.delete(f"{jobs}/{dropped}").raise_for_status()
        (letter,) = system.client.get(f"{system.fleet.results[0]}/v1/dead-letters").json()["dead_letters"]
        replay = f"{system.fleet.results[0]}/v1/dead-letters/{letter['id']}/replay"
        assert system.client.post(replay).status_code == 202
        wait_until(lambda: receiver.told_of(batch).count("darkroom.batch.completed"), timeout=30)
        assert endless(redis) == []
        wait_until(lambda: redis.xlen(keys.dead(0)) == 1)
        redis.delete(keys.dead(0))


def upload(system: System, batch: str, webhook: str) -> str:
    """One job of a batch of three, named by an idempotency key, that tells of its end."""
    about = {"filters": "sepia", "batch": batch, "expected": "3", "webhook": webhook}
    name = system.unique()
    answer = system.client.post(
        f"{system.fleet.ingest[0]}/v1/images",
        params=about,
        content=encoded(time.monotonic_ns()),
        headers={"Idempotency-Key": name},
    )
    return str(answer.raise_for_status().json()["jobs"][0]["id"])


def test_streams_are_empty_once_everything_is_acknowledged(system: System) -> None:
    system.develops()
    with Redis.from_url(system.fleet.redis_url) as redis:
        for stream in (keys.uploaded(0), keys.uploaded(0, bulk=True), keys.progress(0)):
            wait_until(lambda stream=stream: redis.xlen(stream) == 0)


def test_a_process_that_was_killed_is_no_consumer_for_long(system: System) -> None:
    (member,) = system.fleet.of("process")
    pid = member.pid
    with Redis.from_url(system.fleet.redis_url) as redis:

        def known() -> bool:
            consumers = redis.xinfo_consumers(keys.uploaded(0), keys.PROCESS_GROUP)
            return any(f"-{pid}-".encode() in consumer["name"] for consumer in consumers)

        assert known()
        member.send(9)
        member.wait(10)
        member.start()
        wait_until(lambda: not known(), timeout=60)
    system.develops()
