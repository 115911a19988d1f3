from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from redis import Redis

from infra import ports
from shared import keys
from tests.clients.command import Command
from tests.clients.scripted import ScriptedServer
from tests.support.stack import Stack
from tests.support.waiting import wait_until


@pytest.fixture
def command(stack: Stack, tmp_path: Path) -> Command:
    """The real command in a folder of its own, told of the running stack by its environment."""
    return Command(tmp_path, {"DARKROOM_URL": stack.url, "DARKROOM_STATE_DIR": str(tmp_path / "state")})


@pytest.fixture
def lonely(tmp_path: Path, unused_port: int) -> Command:
    """The real command where no service runs."""
    return Command(
        tmp_path,
        {"DARKROOM_URL": f"http://127.0.0.1:{unused_port}", "DARKROOM_STATE_DIR": str(tmp_path / "state")},
    )


@pytest.fixture
def unused_port() -> int:
    return ports.free_port("127.0.0.1")


@pytest.fixture
def picture() -> Callable[..., Path]:
    """`picture(path, seed, size)` writes a small picture unlike that of any other seed, in the format of its suffix."""

    def write(path: Path, seed: int = 0, size: int = 32) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), pixels)
        return path

    return write


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server that answers each request with the next of the answers it was given."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def letter(stack: Stack, command: Command) -> str:
    """The id of a dead letter made of nonsense."""
    with Redis.from_url(stack.redis_url) as redis:
        before = redis.xlen(keys.dead(0))
        redis.xadd(keys.uploaded(0), {"data": "nonsense"})
        wait_until(lambda: redis.xlen(keys.dead(0)) > before)
        entries = redis.xrevrange(keys.dead(0), count=1)
    return f"0-{entries[0][0].decode()}"
