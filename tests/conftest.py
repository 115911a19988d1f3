"""Fixtures that every test folder may use. A missing real part skips here and fails in CI (see `support.parts`)."""

import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from redis import Redis

from infra.server import valkey_binary
from tests.support import photos as photo_sources
from tests.support import site as sites
from tests.support import stack as stacks
from tests.support.parts import STRICT, require
from tests.support.servers import redis_server
from tests.support.site import Site
from tests.support.stack import Stack
from tests.support.waiting import eventually

#: Debian's Chromium as root, without its calls home.
CHROMIUM_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def pytest_configure() -> None:
    """Let programs that tests start hear of Ctrl-C: a shell's background job ignores it, and so do its children."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the Valkey that Darkroom embeds, kept for the session; shared, so tests flush before they count."""
    with redis_server(str(valkey_binary()), tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture(scope="session")
def debian_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the system's Redis (7.0 is the oldest that is supported), kept for the session."""
    binary = require("redis-server", shutil.which("redis-server"))
    with redis_server(binary, tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["valkey", "debian_redis"])
def redis_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty server; the test runs on Valkey and on Redis."""
    url: str = request.getfixturevalue(request.param)
    with Redis.from_url(url) as client:
        client.flushall()
        client.script_flush()
        client.config_set("maxmemory", 0)
    return url


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[Any]]:
    """`await wait_until(condition, timeout)` inside a test that is a coroutine (see `support.waiting`)."""
    return eventually


@pytest.fixture
def blob_url(tmp_path: Path) -> str:
    """URL of an empty blob store on disk."""
    return (tmp_path / "blobs").as_uri()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The one site that the stack fetches pictures from."""
    with sites.site() as running:
        yield running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Stack]:
    """The whole product, started once for the session as its users start it."""
    environment = {**site.environment, "DARKROOM_TRACE_URL": stacks.TRACE_URL}
    running = stacks.start(tmp_path_factory.mktemp("stack"), environment=environment)
    yield running
    assert running.stop() == 0, running.logged()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole product with API keys, for one module alone."""
    running = stacks.start_guarded(tmp_path_factory.mktemp("guarded"))
    yield running
    assert running.stop() == 0, running.logged()


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """20 real photos in one folder, of 0.3 to 5 megapixels."""
    if STRICT:
        require("Debian's mate-backgrounds with lomiri-wallpapers-16.04", photo_sources.installed())
    return photo_sources.collect(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, driven by Playwright.

    Playwright's synchronous interface occupies the event loop of the thread while it lives, so a module that uses it
    has no tests that are coroutines, and it ends with its module.
    """
    binary = require("chromium", shutil.which("chromium") or shutil.which("chromium-browser"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(CHROMIUM_OPTIONS))
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:  # noqa: ANN401 - pytest's own protocol
    """Show the last of what the stack logged beside a failed test that used it."""
    report = yield
    parts = getattr(item, "funcargs", {})
    running = parts.get("stack") or parts.get("guarded")
    if report.failed and isinstance(running, Stack):
        report.sections.append(("darkroom up", running.logged()[-4_000:]))
    return report
