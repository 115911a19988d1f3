"""Webhooks of jobs and batches whose partitions are on different servers."""

from collections.abc import Iterator

import pytest

from shared import keys
from tests.cluster.conftest import PARTITIONS, Spread
from tests.cluster.test_way import upload
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

EVERY = range(PARTITIONS)
#: Events of a batch of two pictures: one of each job, one of the batch.
TOLD = ["darkroom.batch.completed", "darkroom.job.done", "darkroom.job.done"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as server:
        yield server


def test_webhooks_of_every_partition_are_delivered_though_each_first_try_fails(
    system: Spread, receiver: Receiver
) -> None:
    batches = [f"{partition}-{system.unique()}" for partition in EVERY]
    for batch in batches:
        upload(system, batch, webhook=receiver.url)
    wait_until(lambda: all(receiver.told_of(batch) == TOLD for batch in batches), timeout=30)
    assert set(receiver.tries.values()) == {2}
    for partition in EVERY:
        redis = system.cluster.owner(keys.hooks(partition)).redis
        wait_until(lambda: redis.xpending(keys.hooks(partition), keys.HOOKS_GROUP)["pending"] == 0)  # noqa: B023 - ended
        assert redis.zcard(keys.hooks_delayed(partition)) == 0
