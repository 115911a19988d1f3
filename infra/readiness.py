"""When the stack is ready: the server answers, every service says so, and a worker has offered its filters."""

import asyncio
from collections.abc import Mapping
from typing import Final

import httpx
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from infra.errors import CannotStart
from infra.supervisor import Child

#: Seconds between two looks.
_PAUSE: Final = 0.03
#: Seconds that a server which we did not start may take to answer; our own may load its file as long as it needs.
_FOREIGN_PATIENCE: Final = 10.0
#: Seconds that the services may take, kernels compiled on the way.
_SERVICES_PATIENCE: Final = 120.0


class Progress:
    """The children that are being waited for; a wait ends early when one of them is hopeless."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def watch(self, child: Child) -> None:
        self._children.append(child)

    @property
    def watching(self) -> bool:
        return bool(self._children)

    async def pause(self) -> None:
        for child in self._children:
            child.check()
        await asyncio.sleep(_PAUSE)


async def redis_ready(url: str, progress: Progress) -> None:
    """Wait until the server has loaded its data. Raises CannotStart for one that cannot be reached."""
    redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=2, socket_timeout=2)
    try:
        async with asyncio.timeout(None if progress.watching else _FOREIGN_PATIENCE):
            while True:
                try:
                    await redis.ping()
                except AuthenticationError as error:
                    raise CannotStart(f"The Redis server refuses the login in DARKROOM_REDIS_URL: {error}.") from error
                except RedisError:
                    await progress.pause()
                else:
                    return
    except TimeoutError as error:
        raise CannotStart(f"The server of DARKROOM_REDIS_URL gave no answer in {_FOREIGN_PATIENCE:g} s.") from error
    finally:
        await redis.aclose()


async def stack_ready(http: str, admin: Mapping[str, str], progress: Progress) -> None:
    """Wait until all health checks pass and the catalogue can be read. Raises CannotStart when they never do."""
    wanted = [*(f"{url}/health/ready" for url in admin.values()), f"{http}/v1/filters"]
    last = "nothing answered"
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        try:
            async with asyncio.timeout(_SERVICES_PATIENCE):
                while wanted:
                    try:
                        answer = await client.get(wanted[0])
                    except httpx.TransportError as error:
                        last = f"{wanted[0]}: {error or type(error).__name__}"
                    else:
                        if answer.status_code == httpx.codes.OK:
                            wanted.pop(0)
                            continue
                        last = f"{wanted[0]}: {answer.text}"
                    await progress.pause()
        except TimeoutError as error:
            raise CannotStart(f"The services were not ready in {_SERVICES_PATIENCE:g} s. Last: {last}") from error
