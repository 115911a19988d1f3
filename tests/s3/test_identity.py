"""Services on one Redis share one blob store; who brings another one does not start."""

import asyncio
import os
import sys
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from shared import keys
from shared.blobs import BlobStore
from shared.store_identity import ForeignStore, StoreIdentity
from tests.s3.conftest import S3
from tests.support.proxy import Proxy


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return (tmp_path / "one").as_uri()


async def test_services_with_one_store_start(redis_url: str, folder: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        for _ in range(3):
            await StoreIdentity(redis, BlobStore(folder)).start()


async def test_two_machines_with_a_folder_each_are_refused(redis_url: str, folder: str, tmp_path: Path) -> None:
    async with Redis.from_url(redis_url) as redis:
        await StoreIdentity(redis, BlobStore(folder)).start()
        other = StoreIdentity(redis, BlobStore((tmp_path / "other").as_uri()))
        with pytest.raises(ForeignStore, match="DARKROOM_BLOB_URL"):
            await other.start()
        # A move on purpose.
        await redis.delete(keys.STORE_KEY)
        await other.start()


@pytest.mark.parametrize("service", ["ingest", "process", "results"])
async def test_a_service_that_brings_a_folder_of_its_own_ends_with_a_sentence(
    redis_url: str, folder: str, tmp_path: Path, service: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        await StoreIdentity(redis, BlobStore(folder)).start()
    program = await started(service, redis_url, tmp_path)
    await ends_with_a_sentence(program, service)


@pytest.mark.parametrize("service", ["ingest", "process", "results"])
async def test_a_service_that_was_there_before_redis_ends_when_it_finds_out(
    valkey: str, folder: str, tmp_path: Path, service: str
) -> None:
    async with Redis.from_url(valkey) as redis:
        await redis.flushall()
        await StoreIdentity(redis, BlobStore(folder)).start()
        with Proxy(urlsplit(valkey).port or 0).running() as network:
            network.cut()
            program = await started(service, f"redis://127.0.0.1:{network.port}/0", tmp_path)
            said = b""
            async with asyncio.timeout(60):
                while b"server away" not in said:
                    said += await cast("asyncio.StreamReader", program.stderr).readline()
            network.mend()
            await ends_with_a_sentence(program, service)
        # It read and offered nothing.
        assert await redis.keys() == [keys.STORE_KEY.encode()]


async def started(service: str, redis_url: str, tmp_path: Path) -> asyncio.subprocess.Process:
    """A service with a folder of its own."""
    settings = {"DARKROOM_REDIS_URL": redis_url, "DARKROOM_BLOB_URL": (tmp_path / "other").as_uri()}
    settings |= {"DARKROOM_WORKERS": "1", "DARKROOM_PORT": "0", "DARKROOM_RESULTS_PORT": "0"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}"),
        env={**os.environ, **settings},
        stderr=asyncio.subprocess.PIPE,
    )


async def ends_with_a_sentence(program: asyncio.subprocess.Process, service: str) -> None:
    try:
        async with asyncio.timeout(60):
            _, said = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode == 1
    assert f"{service} cannot run. The blob store of this service is not the one" in said.decode()
    assert "Traceback" not in said.decode()


async def test_a_store_that_is_away_is_compared_when_it_is_back(redis_url: str, folder: str, tmp_path: Path) -> None:
    away = BlobStore((tmp_path / "other").as_uri())
    (tmp_path / "other").rename(tmp_path / "unmounted")
    async with Redis.from_url(redis_url) as redis:
        await StoreIdentity(redis, BlobStore(folder)).start()
        identity = StoreIdentity(redis, away)
        await identity.start()
        (tmp_path / "unmounted").rename(tmp_path / "other")
        with pytest.raises(ForeignStore):
            await identity.check()


async def test_an_object_store_keeps_the_first_id(s3: S3, valkey: str) -> None:
    store = BlobStore(s3.url)
    async with Redis.from_url(valkey) as redis:
        await redis.delete(keys.STORE_KEY)
        await StoreIdentity(redis, store).start()
        known = await redis.get(keys.STORE_KEY)
        await StoreIdentity(redis, store).start()
        assert await redis.get(keys.STORE_KEY) == known == bytes(await store.get_async("store-id"))
        assert not await store.create_async("store-id", b"another")
        await redis.delete(keys.STORE_KEY)
