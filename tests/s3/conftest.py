"""A real S3 server (SeaweedFS) behind a network that tests can cut and choke."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.ports import free_port
from shared.blobs import BlobStore
from shared.errors import StorageUnavailable
from tests.support.parts import require
from tests.support.proxy import Proxy
from tests.support.servers import ends_with_us
from tests.support.waiting import wait_until

BUCKET = "darkroom"
KEY, SECRET = "darkroom-test", "not-a-secret-of-anybody"


@dataclass
class S3:
    """`environment` is what services need; the address is that of the proxy."""

    network: Proxy
    environment: Mapping[str, str]
    url: str = f"s3://{BUCKET}"


@dataclass
class Weed:
    """The S3 server itself."""

    port: int
    process: subprocess.Popen[bytes]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It takes connections and answers nothing, for as long as this lasts."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weed]:
    """The S3 server, kept for the session."""
    path = Path(sys.executable).with_name("weed")
    binary = require("seaweedfs", str(path) if path.exists() else None)
    folder = tmp_path_factory.mktemp("weed")
    ports = {name: _port() for name in ("s3", "master", "filer", "volume", "admin", "webdav")}
    command = [
        *(binary, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}"),
        *(f"-{name}.port={port}" for name, port in ports.items()),
        *("-master.telemetry=false", "-webdav=false", "-admin.ui=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    environment = ["/usr/bin/env", f"AWS_ACCESS_KEY_ID={KEY}", f"AWS_SECRET_ACCESS_KEY={SECRET}"]
    with ends_with_us([*environment, *command], log=folder / "weed.log") as process:
        with _reaching(ports["s3"]):
            wait_until(lambda: _takes_objects(process, folder), timeout=90)
        yield Weed(ports["s3"], process)


@pytest.fixture(scope="module")
def reached(weed: Weed) -> Iterator[S3]:
    """The server as services reach it, and this process too."""
    with Proxy(weed.port).running() as network, _reaching(network.port) as environment:
        yield S3(network, {**environment, "DARKROOM_BLOB_URL": f"s3://{BUCKET}"})


@pytest.fixture
def s3(reached: S3) -> Iterator[S3]:
    """The same, its network mended after each test."""
    yield reached
    reached.network.mend()


@contextmanager
def _reaching(port: int) -> Iterator[dict[str, str]]:
    """This process reaches the bucket at that port by its environment, and forgets it at the end."""
    environment = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment


def _takes_objects(process: subprocess.Popen[bytes], folder: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError((folder / "weed.log").read_text(errors="replace"))
    try:
        BlobStore(f"s3://{BUCKET}").put("inbox/first", b"x")
    except StorageUnavailable:
        return False
    return True


def _port() -> int:
    """A free port whose neighbour for gRPC, 10,000 above, exists."""
    return next(port for port in iter(lambda: free_port("127.0.0.1"), 0) if port < 55_000)
