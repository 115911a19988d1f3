"""What every answer of an HTTP service says to browsers, whatever route, error or guard it comes from."""

from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: For an answer that says nothing of its own: it is no page, and whoever shows it as one gets a dead one. Pages and
#: pictures have policies of their own.
DEFAULTS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_RAW: Final = [(name.lower().encode(), value.encode()) for name, value in DEFAULTS.items()]


class Guarded:
    """The ASGI app around another one: adds the headers of `DEFAULTS` that an answer lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                given = {name.lower() for name, _ in headers}
                message["headers"] = [*headers, *(header for header in _RAW if header[0] not in given)]
            await send(message)

        await self._app(scope, receive, guarded)
