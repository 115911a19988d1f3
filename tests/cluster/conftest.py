"""The three services as real processes on a real Redis Cluster of three masters, six partitions over all of them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from shared.api_keys import SCOPES, add_key
from tests.chaos import fleet as fleets
from tests.support import acl
from tests.support import system as systems
from tests.support.cluster import Cluster, redis_cluster
from tests.support.parts import require
from tests.support.system import System

PARTITIONS = 6
LEASE = 2.0
#: The two processes that develop pictures share the partitions.
SHARES = ("0-2", "3,4-5")
OWNER = "alice"


@dataclass(kw_only=True)
class Spread(System):
    """The fleet and the cluster under it."""

    cluster: Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters of the system's Redis, used with the rights that the document tells of and no others."""
    binary = require("redis-server", shutil.which("redis-server"))
    user = [*acl.rule("services"), *acl.on_cluster()]
    with redis_cluster(binary, tmp_path_factory.mktemp("cluster"), user) as running:
        yield running
        denied = [entry for node in running.nodes if node.process.poll() is None for entry in node.redis.acl_log()]
        assert denied == []


@pytest.fixture(scope="session")
def started(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    folder = tmp_path_factory.mktemp("spread")
    fleet = fleets.build(folder, "", process=len(SHARES), ingest=1, results=1, lease=LEASE)
    _, key = add_key(folder / "keys.json", OWNER, SCOPES)
    settings = {
        "DARKROOM_REDIS_URL": cluster.user_url,
        "DARKROOM_REDIS_CLUSTER": "true",
        "DARKROOM_PARTITIONS": str(PARTITIONS),
        "DARKROOM_API_KEYS_FILE": str(folder / "keys.json"),
        # Far away, but counted.
        "DARKROOM_RATE_LIMIT": "1000000/minute",
        "DARKROOM_UPLOAD_QUOTA": "1000000/day",
        "DARKROOM_JANITOR_INTERVAL": "0.5",
        "DARKROOM_EVENT_KEEP_ALIVE": "0.5",
        # Webhooks go to this machine, and what failed is tried again soon.
        "DARKROOM_WEBHOOK_ALLOW_PRIVATE": "true",
        "DARKROOM_WEBHOOK_FIRST_DELAY": "0.1",
    }
    for member in fleet.members:
        member.environment = {**member.environment, **settings}
    for member, share in zip(fleet.of("process"), SHARES, strict=True):
        member.environment = {**member.environment, "DARKROOM_TAKE": share}
    with (
        httpx.Client(trust_env=False, timeout=15, headers={"Authorization": f"Bearer {key}"}) as client,
        systems.started(Spread(fleet, client, cluster=cluster), server=False) as system,
    ):
        yield system


@pytest.fixture
def system(started: Spread) -> Spread:
    return systems.well(started)
