"""Slots that move and masters that die under the services: they come back alone, say so once, and lose nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis.crc import key_slot

from shared import keys
from tests.cluster.conftest import Spread
from tests.cluster.test_way import follow, upload
from tests.support.system import Uploader
from tests.support.waiting import wait_until


def test_a_slot_that_moves_under_load_loses_nothing(system: Spread) -> None:
    stream = keys.uploaded(0)
    source = system.cluster.owner(stream)
    target = next(node for node in system.cluster.nodes if node is not source)
    with Uploader(system) as uploader, ThreadPoolExecutor() as others:
        wait_until(lambda: len(uploader.jobs) > 10)
        with system.cluster.moving(stream, target):
            meanwhile = others.submit(upload, system, f"0-{system.unique()}")
            wait_until(meanwhile.running)
        jobs = meanwhile.result(20)
        before = len(uploader.jobs)
        wait_until(lambda: len(uploader.jobs) > before + 10, timeout=30)
    assert system.cluster.owner(stream) is target
    for job in [*jobs, *uploader.jobs]:
        wait_until(lambda job=job: system.state(job) == "done", timeout=30)
    assert source.redis.execute_command("CLUSTER COUNTKEYSINSLOT", key_slot(stream.encode())) == 0


@pytest.mark.timeout(120)
def test_a_replica_that_is_promoted_is_one_outage_told_once(system: Spread) -> None:
    master = system.cluster.owner(keys.uploaded(4))
    replica = system.cluster.add_replica(master)
    # First in peace: the old master lives on as a replica.
    replica.redis.execute_command("CLUSTER FAILOVER")
    wait_until(lambda: system.cluster.owner(keys.uploaded(4)) is replica)
    jobs = upload(system, f"4-{system.unique()}")
    wait_until(lambda: {system.state(job) for job in jobs} == {"done"}, timeout=30)
    wait_until(lambda: master.redis.info("replication").get("master_link_status") == "up")
    wait_until(system.all_ready, timeout=30)
    system.mark()

    # Then it dies. What was accepted is on its replica.
    batch = f"4-{system.unique()}"
    jobs = upload(system, batch, pictures=8, expected=9)
    with ThreadPoolExecutor() as others:
        heard: dict[str, str] = {}
        following = others.submit(follow, system, batch, heard)
        wait_until(lambda: len(heard) == len(jobs))
        replica.redis.wait(1, 5000)
        replica.kill()
        wait_until(system.none_ready)
        later = [system.submit() for _ in range(10)]
        wait_until(system.all_ready, timeout=30)
        # Whoever followed the events before hears what happens after.
        jobs += upload(system, batch, pictures=1, expected=9)
        assert following.result(40) == dict.fromkeys(jobs, "done")
    jobs += later
    assert system.cluster.owner(keys.uploaded(4)) is master
    for job in jobs:
        wait_until(lambda job=job: system.state(job) == "done", timeout=30)
    for kind in ("process", "results"):
        members = len(system.fleet.of(kind))
        assert system.told(kind, "server away", server="redis") == members, system.lines(kind)
        assert system.told(kind, "server back", server="redis") == members, system.lines(kind)
        assert not [line for line in system.lines(kind) if "exception" in line]
