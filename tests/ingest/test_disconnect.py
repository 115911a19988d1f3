"""A client that goes away in the middle of an upload leaves nothing behind."""

import asyncio
from pathlib import Path

import pytest

from tests.ingest.pictures import picture
from tests.ingest.running import Running, Start
from tests.support.waiting import eventually


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


HEAD = (
    b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
)
PART = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n'


@pytest.mark.parametrize("memory", [10_000_000, 1000], ids=["in memory", "in a file"])
async def test_what_was_received_is_let_go_of(start: Start, tmp_path: Path, memory: int) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    ingest = await start(upload_memory=memory, upload_dir=folder)
    budget = ingest.service.uploads.budget
    _, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(HEAD + PART + picture("PNG") + bytes(1_000_000))
    await writer.drain()
    await eventually(lambda: budget.used > 900_000)

    writer.close()
    await writer.wait_closed()

    await eventually(lambda: budget.used == 0)
    assert list(folder.iterdir()) == []
    assert await ingest.entries() == []
    await eventually(lambda: outcomes(ingest, "disconnected") == 1)


def outcomes(ingest: Running, outcome: str) -> float | None:
    return ingest.service.registry.get_sample_value("darkroom_uploads_total", {"outcome": outcome})
