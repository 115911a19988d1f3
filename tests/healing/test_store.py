"""The blob store away, or unwritable: nothing is accepted, nothing fails for it, and work goes on once it is back."""

from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from redis import Redis

from shared import keys
from shared.blobs import BlobStore
from shared.events import ImageUploaded, encode
from tests.healing.conftest import System
from tests.support.waiting import wait_until


@pytest.fixture
def folder(system: System) -> Path:
    return system.fleet.folder / "blobs"


def test_a_store_that_is_away_fails_no_job_and_is_told_once(system: System, folder: Path) -> None:
    _, data = cv2.imencode(".png", np.full((16, 16, 3), 7, np.uint8))
    BlobStore(system.fleet.blob_url).put("inbox/before", data.tobytes())
    away = folder.rename(folder.with_name("away"))
    with Redis.from_url(system.fleet.redis_url) as redis:
        event = ImageUploaded(source="inbox/before", filters=[{"name": "sepia"}])
        entry_id = redis.xadd(keys.uploaded(0), {"data": encode(event)})
    wait_until(lambda: system.told("process", "server away", server="blob store") == 1)
    wait_until(system.none_ready)
    answer = upload(system, data.tobytes())
    assert answer.status_code == 503
    assert answer.json()["code"] == "storage_unavailable"
    assert "retry-after" in answer.headers
    away.rename(folder)
    job = f"0-{entry_id.decode()}"
    system.develops(job)
    wait_until(system.all_ready)
    document = system.client.get(f"{system.fleet.results[0]}/v1/jobs/{job}").json()
    assert document["attempts"] == 1, "waiting for the store is held against nobody"
    assert system.told("process", "server away", server="blob store") == 1
    assert system.told("process", "server back", server="blob store") == 1


def test_a_store_that_takes_no_results_fails_no_job(system: System, folder: Path) -> None:
    """As with a full disk: sources are there, and a listing answers."""
    _, data = cv2.imencode(".png", np.full((16, 16, 3), 9, np.uint8))
    BlobStore(system.fleet.blob_url).put("inbox/unwritten", data.tobytes())
    BlobStore(system.fleet.blob_url).put("results/first", b"")
    away = (folder / "results").rename(folder / "away")
    (folder / "results").write_text("no folder")
    with Redis.from_url(system.fleet.redis_url) as redis:
        event = ImageUploaded(source="inbox/unwritten", filters=[{"name": "sepia"}])
        entry_id = redis.xadd(keys.uploaded(0), {"data": encode(event)})
    wait_until(lambda: system.told("process", "server away", server="blob store") == 1)
    wait_until(lambda: not system.ready("process"))
    (folder / "results").unlink()
    away.rename(folder / "results")
    job = f"0-{entry_id.decode()}"
    system.develops(job)
    wait_until(system.all_ready)
    document = system.client.get(f"{system.fleet.results[0]}/v1/jobs/{job}").json()
    assert document["attempts"] == 1, "waiting for the store is held against nobody"


def upload(system: System, data: bytes) -> httpx.Response:
    url = f"{system.fleet.ingest[0]}/v1/images?filters=negative"
    return system.client.post(url, content=data, headers={"Content-Type": "image/png"})
