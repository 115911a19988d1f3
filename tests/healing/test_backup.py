"""The runbook of docs/reliability.md rehearsed: copy the append-only files and the blobs, start on the copies."""

import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from redis import Redis
from redis.exceptions import RedisError

from infra.ports import free_port
from infra.server import valkey_binary
from shared import keys
from shared.blobs import BlobStore
from tests.chaos import fleet as fleets
from tests.chaos.fleet import REDIS_CONFIG
from tests.healing.conftest import LEASE, System
from tests.support import system as systems
from tests.support.servers import ends_with_us
from tests.support.system import System as Bare
from tests.support.waiting import wait_until


def test_a_backup_taken_under_way_brings_back_every_job_and_its_result(system: System, tmp_path: Path) -> None:
    jobs = [system.submit() for _ in range(5)]
    for job in jobs:
        system.develops(job)
    with Redis.from_url(system.fleet.redis_url) as redis:
        back_up(redis, system.fleet.folder / "redis", tmp_path / "redis")
        # Blobs after Redis: whatever a copied record names is copied too.
        shutil.copytree(system.fleet.folder / "blobs", tmp_path / "blobs")
    port = free_port("127.0.0.1")
    command = [str(valkey_binary()), str(REDIS_CONFIG), "--port", str(port), "--dir", str(tmp_path / "redis")]
    store = BlobStore((tmp_path / "blobs").as_uri())
    with ends_with_us(command, log=tmp_path / "server.log"), Redis(port=port) as restored:
        wait_until(lambda: answers(restored))
        assert restored.get(keys.SCHEMA_KEY) == str(keys.SCHEMA_VERSION).encode()
        for job in jobs:
            record = restored.hgetall(keys.job(0, job))
            assert record[b"state"] == b"done"
            result = record[b"event"].split(b'"key":"')[1].split(b'"')[0].decode()
            assert store.has(result)
        groups = restored.xinfo_groups(keys.progress(0))
        assert [(group["name"], group["pending"], group["lag"]) for group in groups] == [(b"results", 0, 0)]


@pytest.mark.timeout(180)
def test_jobs_in_work_at_the_time_of_a_backup_are_done_after_the_restore(system: System, tmp_path: Path) -> None:
    (worker,) = system.fleet.of("process")
    done = system.submit()
    system.develops(done)
    with Redis.from_url(system.fleet.redis_url) as redis:

        def in_work() -> int:
            return int(redis.xpending(keys.uploaded(0), keys.PROCESS_GROUP)["pending"])

        # The worker stands still with what it has read; the rest waits unread.
        wait_until(lambda: not in_work())
        worker.send(signal.SIGSTOP)
        jobs = [system.submit() for _ in range(10)]
        worker.send(signal.SIGCONT)
        wait_until(in_work)
        worker.send(signal.SIGSTOP)
        restored = fleets.build(tmp_path, "", process=1, ingest=1, results=1, lease=LEASE)
        back_up(redis, system.fleet.folder / "redis", tmp_path / "redis")
        shutil.copytree(system.fleet.folder / "blobs", tmp_path / "blobs")
        worker.send(signal.SIGCONT)
    with httpx.Client(trust_env=False, timeout=15) as client, systems.started(Bare(restored, client)) as second:
        for job in (done, *jobs):
            second.develops(job)
            result = client.get(f"{restored.results[0]}/v1/jobs/{job}/result")
            assert result.status_code == 200
            assert result.content
        with Redis.from_url(restored.redis_url) as redis:
            wait_until(lambda: not redis.xpending(keys.uploaded(0), keys.PROCESS_GROUP)["pending"])
            assert not redis.xlen(keys.dead(0))
    for job in jobs:
        system.develops(job)


def test_the_commands_of_the_runbook_make_a_whole_backup_each_time(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text("utf-8")
    block = page.split("### Back up")[1].split("### Restore")[0]
    commands = [line.strip() for line in block.splitlines() if line.startswith("    ")]
    script = "\n".join(line for line in commands if not line.startswith("redis-cli"))
    script = script.replace("/backup/", f"{tmp_path}/backup/")
    for name in ("appendonlydir/manifest", "blobs/.darkroom", "blobs/originals/first"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for new in ("second", "third"):
        subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, check=True)
        newest = max((tmp_path / "backup").iterdir())
        assert files_in(newest / "blobs") == files_in(tmp_path / "blobs")
        assert files_in(newest / "appendonlydir") == ["manifest"]
        (tmp_path / "blobs" / "originals" / new).touch()


def files_in(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def back_up(redis: Redis, folder: Path, target: Path) -> None:
    """As the runbook says: no rewrite while the files are copied; hard links make the copy one of a moment."""
    redis.config_set("auto-aof-rewrite-percentage", 0)
    try:
        wait_until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
        target.mkdir(exist_ok=True)
        subprocess.run(["cp", "-r", str(folder / "appendonlydir"), str(target)], check=True)
    finally:
        redis.config_set("auto-aof-rewrite-percentage", 100)


def answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
