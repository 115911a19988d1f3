"""What every request must pass before any route: it is meant for us, and no page of a stranger sent it.

A page from anywhere can make a browser send requests to this machine. So what changes something must come from our
own pages or from no page at all (Sec-Fetch-Site and Origin tell, Fetch standard), and where there are no keys, a name
that a stranger's DNS may lead here with is refused (DNS rebinding). A plain address cannot be rebound.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.access import AccessSettings, Gate, enter
from shared.errors import DarkroomError, Forbidden, Unauthorized
from shared.problems import answer
from shared.quotas import Quotas

#: Methods that change nothing (RFC 9110, 9.2.1).
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
#: From our own pages, or from the user: typed, bookmarked, or no browser's page at all.
_OWN_SITES: Final = (None, "same-origin", "none")
#: Asked by machines that know an address only; they tell nothing of anybody.
_OPEN_PATHS: Final = ("/health", "/health/live", "/health/ready")
#: What quotas count; pages and documents are for everybody.
_COUNTED: Final = "/v1/"


class FrontDoor:
    """The ASGI app around all routes of a service; `refused` is told of each request that does not get in."""

    def __init__(
        self,
        app: ASGIApp,
        gate: Gate,
        settings: AccessSettings,
        quotas: Quotas,
        refused: Callable[[Scope, DarkroomError], None] = lambda _scope, _error: None,
    ) -> None:
        self._quotas = quotas
        self._refused = refused
        self._gate = gate
        self._hosts = frozenset(_names(settings.allowed_hosts))
        self._origins = frozenset(_names(settings.cors_origins))
        self._app = app
        # Around the checks, so that a page that may read answers may read refusals as well.
        self._outer = _with_cors(self._checked, sorted(self._origins)) if self._origins else self._checked
        self._is_ours = lru_cache(maxsize=256)(self._is_our_name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._outer(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        try:
            self._check(connection)
            await self._count(connection)
        except DarkroomError as error:
            self._refused(scope, error)
            await answer(error)(scope, receive, send)
            return
        enter(connection, self._gate)
        await self._app(scope, receive, send)

    def _check(self, connection: HTTPConnection) -> None:
        host = connection.headers.get("host", "")
        # Every browser names a host.
        checked = host and not self._gate.has_keys and connection.scope["path"] not in _OPEN_PATHS
        if checked and not self._is_ours(host):
            raise Forbidden(
                "This Darkroom is not known under the host name of the request. Whoever runs it can add the name to "
                "DARKROOM_ALLOWED_HOSTS."
            )
        if connection.scope["method"] in _SAFE:
            return
        origin = connection.headers.get("origin")
        if origin is not None and origin.lower() in self._origins:
            return
        foreign = connection.headers.get("sec-fetch-site") not in _OWN_SITES
        if foreign or (origin is not None and _netloc(origin) != host.lower()):
            raise Forbidden("A page of another site may not change anything here.")

    async def _count(self, connection: HTTPConnection) -> None:
        """Count the request for its key. One without a valid key is left to its route: some need none."""
        if not self._gate.has_keys or not connection.scope["path"].startswith(_COUNTED):
            return
        try:
            key = self._gate.identify(connection).key_id
        except Unauthorized:
            return
        if key is not None:
            await self._quotas.request(key)

    def _is_our_name(self, host: str) -> bool:
        if "*" in self._hosts:
            return True
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name == "localhost" or name.endswith(".localhost") or name in self._hosts or _is_address(name)


def _netloc(origin: str) -> str:
    """Host and port of an origin as a Host header names them; empty for one that is none, such as `null`."""
    return origin.lower().partition("://")[2]


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _names(text: str) -> Iterable[str]:
    return (name.strip().rstrip("/").lower() for name in text.split(",") if name.strip())


def _with_cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """Without credentials: the cookie of our own pages is never sent for another origin's."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Range", "traceparent"],
        expose_headers=["ETag", "Content-Range", "Content-Disposition", "Idempotency-Replayed", "Retry-After"],
        allow_credentials=False,
        max_age=600,
    )
