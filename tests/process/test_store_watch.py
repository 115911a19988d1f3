"""A store that is full, read-only or refuses what is put there counts as away: images wait, and readiness is false."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.process.store_watch import StoreWatch
from shared.blobs import BlobStore
from shared.errors import StorageUnavailable
from shared.service import Server

FAULT = StorageUnavailable("The blob store did not answer.")
LISTING = '<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>'


class Bucket:
    """An S3 that lists and, while `refuses` is set, takes nothing."""

    refuses = True

    async def answer(self, request: Request) -> Response:
        if request.method == "PUT":
            return Response(status_code=403) if self.refuses else Response(headers={"ETag": '"1"'})
        return Response(LISTING, media_type="application/xml")


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    made = Bucket()
    routes = [Route("/{key:path}", made.answer, methods=["GET", "PUT"])]
    server = Server(Starlette(routes=routes), "127.0.0.1", 0)
    await server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    yield made
    await server.stop()


async def test_a_bucket_that_refuses_what_is_put_counts_as_away_until_it_takes_something(bucket: Bucket) -> None:
    watch = StoreWatch(BlobStore("s3://b"))
    await watch.check()
    assert not await watch.wait(FAULT, 1)
    with pytest.raises(StorageUnavailable):
        await watch.check()
    bucket.refuses = False
    await watch.check()
    assert await watch.wait(FAULT, 1), "now the fault would be of one image"


async def test_a_folder_that_cannot_be_written_counts_as_away_until_it_can(tmp_path: Path) -> None:
    watch = StoreWatch(BlobStore(tmp_path.as_uri()))
    await watch.check()
    (tmp_path / "results").write_text("no folder")
    assert not await watch.wait(FAULT, 1)
    with pytest.raises(StorageUnavailable):
        await watch.check()
    (tmp_path / "results").unlink()
    await watch.check()


async def test_a_disk_with_less_than_its_reserve_counts_as_away(tmp_path: Path) -> None:
    watch = StoreWatch(BlobStore(tmp_path.as_uri(), reserve=1 << 60))
    assert not await watch.wait(FAULT, 1)
    with pytest.raises(StorageUnavailable, match="full"):
        await watch.check()
