"""Redis restarted, stuck, flushed, failed over, cut off: the services come back alone and say so once."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from infra.ports import free_port
from infra.server import valkey_binary
from shared import keys
from tests.healing.conftest import LEASE, System
from tests.support.servers import ends_with_us
from tests.support.system import encoded
from tests.support.waiting import wait_until


@contextmanager
def told_once(system: System) -> Iterator[None]:
    """Whatever happens inside: nobody is ready meanwhile, all are after it, and each service told it once."""
    yield
    wait_until(system.all_ready, timeout=30)
    system.develops()
    for kind in ("process", "results"):
        assert system.told(kind, "server away", server="redis") == 1, system.lines(kind)
        assert system.told(kind, "server back", server="redis") == 1, system.lines(kind)
        assert not [line for line in system.lines(kind) if "exception" in line]


def test_redis_killed_and_started_again_is_an_outage_told_once(system: System) -> None:
    job = system.submit()
    with told_once(system):
        system.server.send(signal.SIGKILL)
        system.server.wait(10)
        wait_until(system.none_ready)
        system.server.start()
    system.develops(job)


def test_redis_stuck_for_longer_than_a_lease_is_an_outage_told_once(system: System) -> None:
    with told_once(system):
        system.server.send(signal.SIGSTOP)
        wait_until(system.none_ready)
        wait_until(lambda: system.told("process", "server away") == 1, timeout=3 * LEASE)
        system.server.send(signal.SIGCONT)


def test_a_network_that_is_cut_is_an_outage_told_once(system: System) -> None:
    with told_once(system):
        system.proxy.cut()
        wait_until(system.none_ready)
        system.proxy.mend()


def test_a_network_that_swallows_everything_is_an_outage_told_once(system: System) -> None:
    with told_once(system):
        system.proxy.choked = True
        wait_until(system.none_ready)
        wait_until(lambda: system.told("process", "server away") + system.told("results", "server away") == 2)
        system.proxy.choked = False
        system.proxy.cut()
        system.proxy.mend()


def test_a_redis_that_cannot_write_its_file_refuses_uploads_and_comes_back(system: System) -> None:
    """MISCONF, which it answers when its disk is full: its snapshots fail, as a folder is where they should be."""
    snapshot = system.fleet.folder / "redis" / "dump.rdb"
    with told_once(system), Redis.from_url(system.fleet.redis_url) as redis:
        snapshot.joinpath("in the way").mkdir(parents=True)
        redis.config_set("save", "3600 1000000")
        try:
            saved(redis, "err")
            wait_until(system.none_ready)
            answer = system.client.post(f"{system.fleet.ingest[0]}/v1/images?filters=sepia", content=encoded(1))
            assert answer.status_code == 503
            assert "retry-after" in answer.headers
        finally:
            shutil.rmtree(snapshot)
            saved(redis, "ok")
            redis.config_set("save", "")


def saved(redis: Redis, outcome: str) -> None:
    """Try to write a snapshot, which succeeds or not."""
    redis.bgsave()
    wait_until(lambda: redis.info("persistence")["rdb_bgsave_in_progress"] == 0)
    assert redis.info("persistence")["rdb_last_bgsave_status"] == outcome


def test_a_flushed_redis_gets_groups_filters_and_schema_back(system: System) -> None:
    with Redis.from_url(system.fleet.redis_url) as redis:
        redis.flushall()
        wait_until(lambda: redis.get(keys.SCHEMA_KEY) == str(keys.SCHEMA_VERSION).encode())
        wait_until(lambda: redis.hlen(keys.CATALOGUE_KEY) == 1)
    system.develops()
    assert system.told("process", "server away") == 0


def test_a_failover_to_a_replica_is_followed(system: System, tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    command = [str(valkey_binary()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", ""]
    command += ["--replicaof", "127.0.0.1", str(system.fleet.port)]
    with (
        ends_with_us(command, log=tmp_path / "replica.log"),
        Redis(port=port) as replica,
        Redis(port=system.fleet.port) as master,
    ):
        wait_until(lambda: in_step(replica), timeout=30)
        # The address leads to the replica from now on; connections that are open stay where they are.
        system.proxy.upstream = port
        replica.replicaof("NO", "ONE")
        master.replicaof("127.0.0.1", port)
        system.develops()
        wait_until(system.all_ready, timeout=30)
        for kind in ("process", "results"):
            assert system.told(kind, "server away", server="redis") <= 1
        # And back.
        wait_until(lambda: in_step(master), timeout=30)
        system.proxy.upstream = system.fleet.port
        master.replicaof("NO", "ONE")
        replica.replicaof("127.0.0.1", system.fleet.port)
        system.develops()


def in_step(replica: Redis) -> bool:
    try:
        facts = replica.info("replication")
    except (NoConnection, RedisError):
        return False
    return facts["role"] == "slave" and facts.get("master_link_status") == "up"


@pytest.mark.parametrize("kind", ["process", "results"])
def test_a_service_waits_for_redis_to_start_and_a_signal_ends_that_wait(system: System, kind: str) -> None:
    (member,) = system.fleet.of(kind)
    member.end()
    system.proxy.cut()
    member.start()
    wait_until(lambda: b"server away" in member.log.read_bytes()[member.log_begins :], timeout=60)
    member.send(signal.SIGTERM)
    assert member.wait(20)
    assert member.status == 0
    member.start()
    system.proxy.mend()
    wait_until(lambda: system.ready(kind), timeout=60)
    system.develops()


def test_a_service_refuses_data_of_another_layout(system: System) -> None:
    (member,) = system.fleet.of("process")
    member.end()
    with Redis.from_url(system.fleet.redis_url) as redis:
        redis.set(keys.SCHEMA_KEY, keys.SCHEMA_VERSION + 1)
        try:
            member.start()
            assert member.wait(60)
            assert member.status == 1
            assert b"layout" in member.log.read_bytes()[member.log_begins :]
            wait_until(lambda: not system.ready("results"), timeout=10)
        finally:
            redis.set(keys.SCHEMA_KEY, keys.SCHEMA_VERSION)
            member.start()
    system.develops()
