"""What is left behind: no key without an end that should have one, and no memory that grows with finished jobs."""

import re

from redis import Redis

from shared import keys
from tests.healing.conftest import System
from tests.support.waiting import wait_until

#: Keys that stay: the streams, what indexes and counts, what describes the data. Everything else must have an end.
LASTING = re.compile(
    r"image\.(uploaded|uploaded\.bulk|progress|dead|hooks):\{0\}|version:\{0\}|owners:\{0\}|jobs:\{0\}:.+"
    r"|hooks\.delayed:\{0\}|darkroom:(schema|catalogue|store)"
)


def test_every_key_that_is_not_lasting_has_an_end(system: System) -> None:
    for _ in range(3):
        system.develops()
    with Redis.from_url(system.fleet.redis_url) as redis:
        endless = [key.decode() for key in redis.scan_iter(count=1000) if redis.ttl(key) == -1]
    assert [key for key in endless if not LASTING.fullmatch(key)] == []


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
