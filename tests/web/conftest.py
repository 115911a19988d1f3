"""Fixtures of the page's tests: a real Chromium on the running product."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page
from redis import Redis

from shared import keys
from tests.support.stack import Stack
from tests.web.studio import Studio

#: Milliseconds the browser may take for one thing; generous, since the machines of CI are busy.
PATIENCE = 30_000


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser with nothing kept, that tells of every script error and every break of the security policy."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark", accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    context.on("console", listen)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def studio(page: Page, stack: Stack) -> Studio:
    """The studio page of the running product, nothing on its table."""
    return Studio(page, stack.url).open()


@pytest.fixture(scope="session")
def small_photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """200 pictures of 320 by 240 pixels, each another one."""
    folder = tmp_path_factory.mktemp("small")
    return [_picture(folder / f"photo-{number:03}.jpg", number) for number in range(200)]


@pytest.fixture(scope="session")
def damaged(tmp_path_factory: pytest.TempPathFactory, small_photos: list[Path]) -> Path:
    """A JPEG whose header is fine and whose pixels are cut short: accepted at the door, failed by the worker."""
    path = tmp_path_factory.mktemp("damaged") / "damaged.jpg"
    path.write_bytes(small_photos[0].read_bytes()[:2500])
    return path


@pytest.fixture
def unreadable(stack: Stack) -> str:
    """The id of an entry on the stream that is no event; it becomes a dead letter."""
    with Redis.from_url(stack.redis_url) as redis:
        entry: bytes = redis.xadd(keys.uploaded(0), {"data": "this is not JSON"})
    return entry.decode()


def _picture(path: Path, number: int) -> Path:
    ramp = np.linspace(0, 255, 320, dtype=np.float32)
    channels = [np.tile(np.roll(ramp, number * step), (240, 1)) for step in (1, 3, 7)]
    picture = np.stack(channels, axis=2).astype(np.uint8)
    cv2.putText(picture, str(number), (90, 150), cv2.FONT_HERSHEY_SIMPLEX, 3, (255, 255, 255), 6)
    cv2.imwrite(str(path), picture)
    return path
