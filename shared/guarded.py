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
#: A page has two dozen scripts and styles, and what they are allowed is the page's business: these go without a policy.
PARTS: Final = ("text/javascript", "text/css")
FOR_PARTS: Final[Mapping[str, str]] = {
    name: DEFAULTS[name] for name in ("Cross-Origin-Resource-Policy", "X-Content-Type-Options")
}
_RAW: Final = [(name.lower().encode(), value.encode()) for name, value in DEFAULTS.items()]
_RAW_FOR_PARTS: Final = [(name.lower().encode(), value.encode()) for name, value in FOR_PARTS.items()]
_RAW_PARTS: Final = tuple(part.encode() for part in PARTS)


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
                given = {name.lower(): value for name, value in headers}
                part = given.get(b"content-type", b"").startswith(_RAW_PARTS)
                added = _RAW_FOR_PARTS if part else _RAW
                message["headers"] = [*headers, *(header for header in added if header[0] not in given)]
            await send(message)

        await self._app(scope, receive, guarded)
