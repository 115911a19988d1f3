"""Webhooks of jobs and batches whose partitions are on different servers."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from shared import keys
from tests.cluster.conftest import PARTITIONS, Spread
from tests.cluster.test_way import upload
from tests.support.waiting import wait_until

EVERY = range(PARTITIONS)
#: Events of a batch of two pictures: one of each job, one of the batch.
TOLD = ["darkroom.batch.completed", "darkroom.job.done", "darkroom.job.done"]


class Receiver(ThreadingHTTPServer):
    """Takes webhooks, each at its second try; `tries` by message id, `taken` are the events."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tries: Counter[str] = Counter()
        self.taken: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def told_of(self, batch: str) -> list[str]:
        """The types of the events of one batch, sorted."""
        return sorted(
            event["type"] for event in list(self.taken) if batch in (event["subject"], event["data"].get("batch"))
        )


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = self.headers["webhook-id"]
        self.server.tries[message] += 1
        first = self.server.tries[message] == 1
        if not first:
            self.server.taken.append(json.loads(body))
        self.send_response(503 if first else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: tests look at what was taken."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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
