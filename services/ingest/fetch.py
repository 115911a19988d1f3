"""Images that a request names by URL: fetched from hosts that the operator listed, and from nowhere inside.

Who sends a request chooses the URL, and this service stands in a network that the sender does not. So the host must be
on the list, every address behind its name must be public, and the connection goes to an address that was checked; the
same holds for each redirect. Bytes, time and the number of fetches under way are bounded.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from services.ingest.intake import Intake, too_many_bytes
from services.ingest.settings import IngestSettings
from shared.addresses import Reach, Refused, Unresolved, resolve_host
from shared.errors import InvalidParameter, Overloaded, SourceNotFound, TimedOut
from shared.pinned import answered, new_client, pinned, requesting

_PORTS: Final = {"http": 80, "https": 443}
#: Fetches under way in one process, and redirects that one may follow.
_AT_ONCE: Final = 16
_HOPS: Final = 3
#: Seconds to wait for one of them to end, half of the time of a fetch at most: then nothing was wrong with the address.
_QUEUE: Final = 5.0
#: Seconds that one address may take to accept a connection.
_CONNECT: Final = 5.0
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class Fetcher:
    """Fetches images. Its settings name at least one host."""

    def __init__(self, settings: IngestSettings) -> None:
        self._hosts = frozenset(name.strip().lower() for name in settings.fetch_hosts.split(",") if name.strip())
        self._reach = Reach.PRIVATE if settings.fetch_allow_private else Reach.PUBLIC
        self._timeout = settings.fetch_timeout
        self._limit = settings.max_bytes
        timeout = httpx.Timeout(
            self._timeout, connect=min(_CONNECT, self._timeout), pool=min(_QUEUE, self._timeout / 2)
        )
        self._client = new_client("Darkroom-Fetch/1", timeout, most=_AT_ONCE)

    async def fetch(self, url: str, intake: Intake) -> None:
        """Put the bytes behind a URL into `intake`.

        Raises InvalidParameter for a URL that may not be fetched, SourceNotFound when there is nothing to be had,
        TimedOut, Overloaded, and what `Intake.add` raises.
        """
        try:
            async with asyncio.timeout(self._timeout) as limit, self._opened(httpx.URL(url), limit) as response:
                if int(response.headers.get("content-length", "0") or 0) > self._limit:
                    raise too_many_bytes(self._limit)
                # As they were sent: nothing is unpacked, however small it came.
                async for chunk in response.aiter_raw():
                    intake.add(chunk)
        except (Refused, httpx.InvalidURL) as error:
            raise InvalidParameter(f"url cannot be fetched: {error}.", parameter="url") from error
        except httpx.PoolTimeout as error:
            raise Overloaded("Too many images are being fetched; try again in a moment.") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise TimedOut(f"The image was not fetched within {self._timeout:g} seconds.") from error
        except (Unresolved, httpx.HTTPError, ValueError) as error:
            raise SourceNotFound("The host of the url did not answer with an image.") from error

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def _opened(self, url: httpx.URL, limit: asyncio.Timeout) -> AsyncIterator[httpx.Response]:
        """The answer at the end of all redirects, its body not read yet."""
        for _ in range(_HOPS + 1):
            with requesting("GET", url, limit, {}) as span:
                response = await self._asked(url)
                answered(span, response.status_code)
                try:
                    if response.status_code == httpx.codes.OK:
                        yield response
                        return
                    if response.status_code not in _REDIRECTS or "location" not in response.headers:
                        raise SourceNotFound(f"The host of the url answered with status {response.status_code}.")
                    url = url.join(response.headers["location"])
                finally:
                    await response.aclose()
        raise SourceNotFound(f"The url redirects more than {_HOPS} times.")

    async def _asked(self, url: httpx.URL) -> httpx.Response:
        """The head of the answer from the first address that accepts a connection, all of them checked before."""
        host, port = self._admitted(url)
        last: httpx.HTTPError | None = None
        for address in await resolve_host(host, port, self._reach):
            headers = {"Accept": "image/*", "Accept-Encoding": "identity"}
            try:
                return await self._client.send(pinned(self._client, "GET", url, address, headers=headers), stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error
        raise last or Unresolved(f"the name {host!r} does not resolve")

    def _admitted(self, url: httpx.URL) -> tuple[str, int]:
        """Host and port of a URL. Raises Refused unless both are on the list; a name without a port has 80 and 443."""
        if url.scheme not in _PORTS or url.userinfo:
            raise Refused("only http and https are, without a user name or password")
        host = url.raw_host.decode("ascii")
        port = url.port or _PORTS[url.scheme]
        named = host if port == _PORTS[url.scheme] else f"{host}:{port}"
        if not {named, f"{host}:{port}"} & self._hosts:
            raise Refused(f"{named} is not among the hosts of DARKROOM_FETCH_HOSTS")
        return host, port
