"""When the stack is ready: the server answers, every service says so, and a worker has offered its filters.

Nothing large is imported here: the services start meanwhile, and this process would take their processor.
"""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from infra.errors import CannotStart
from infra.server import Embedded
from infra.supervisor import Child

#: Seconds between two looks.
_PAUSE: Final = 0.03
#: Seconds that a server which we did not start may take to answer; our own may load its file as long as it needs.
_FOREIGN_PATIENCE: Final = 10.0
#: Seconds that the services may take: on a busy machine kernels may be compiled for minutes.
_SERVICES_PATIENCE: Final = 300.0

#: The addresses are of this machine: no proxy stands between.
_open = build_opener(ProxyHandler({})).open


class Progress:
    """The children that are being waited for; a wait ends early when one of them is hopeless."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def watch(self, child: Child) -> None:
        self._children.append(child)

    async def pause(self) -> None:
        for child in self._children:
            child.check()
        await asyncio.sleep(_PAUSE)


async def embedded_ready(server: Embedded, progress: Progress) -> None:
    """Wait until our own server has loaded its data, however long that takes."""
    while not await _answers(server):
        await progress.pause()


async def _answers(server: Embedded) -> bool:
    """Whether it takes the password and a PING (in the protocol's inline form)."""
    try:
        reader, writer = await asyncio.open_connection(server.host, server.port)
    except OSError:
        return False
    try:
        writer.write(f"AUTH {server.password}\r\nPING\r\n".encode())
        return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.close()


async def foreign_ready(url: str) -> None:
    """Wait for a server that somebody else runs. Raises CannotStart when it cannot be reached."""
    from redis.asyncio import Redis  # noqa: PLC0415 - the embedded server does without
    from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError  # noqa: PLC0415

    try:
        async with asyncio.timeout(_FOREIGN_PATIENCE), Redis.from_url(url) as redis:
            while True:
                try:
                    await redis.ping()
                except BusyLoadingError:
                    await asyncio.sleep(_PAUSE)
                else:
                    return
    except AuthenticationError as error:
        raise CannotStart(f"The server of DARKROOM_REDIS_URL refuses the login: {error}.") from error
    except (RedisError, ValueError) as error:
        raise CannotStart(f"The server of DARKROOM_REDIS_URL cannot be used: {error}") from error
    except TimeoutError as error:
        raise CannotStart(f"The server of DARKROOM_REDIS_URL gave no answer in {_FOREIGN_PATIENCE:g} s.") from error


async def stack_ready(http: str, admin: Mapping[str, str], progress: Progress) -> None:
    """Wait until all health checks pass and the catalogue can be read. Raises CannotStart when they never do."""
    last = ""
    try:
        async with asyncio.timeout(_SERVICES_PATIENCE):
            for url in [*(f"{address}/health/ready" for address in admin.values()), f"{http}/v1/filters"]:
                while last := await asyncio.to_thread(_complaint, url):
                    await progress.pause()
    except TimeoutError as error:
        raise CannotStart(f"The services were not ready in {_SERVICES_PATIENCE:g} s. Last answer: {last}") from error


def _complaint(url: str) -> str:
    """What is wrong at an address; empty when it answers 200."""
    try:
        with _open(url, timeout=5):
            return ""
    except HTTPError as error:
        return f"{url}: {error.read(2000).decode(errors='replace')}"
    except (URLError, OSError) as error:
        return f"{url}: {error}"
