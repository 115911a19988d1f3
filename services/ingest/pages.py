"""The web pages: files beside this module, read and compressed once at start, sent with strict headers.

Nothing on a page comes from another origin, and nothing is written inline, so the content security policy can forbid
both.
"""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from shared.errors import NotFound

WEB: Final = Path(__file__).parent / "web"
#: Letters of an entity tag: enough to tell versions of one file apart, and sent with every file of a page.
_TAG: Final = 16
#: Bytes under which compression does not pay.
_WORTH_COMPRESSING: Final = 512

#: Sent with everything that a browser may show as a document of its own; the rest gets what `shared.guarded` adds.
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_DOCUMENTS: Final = ("text/html", "image/svg+xml")

_TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Document:
    """Something to send, with its compressed form where that is smaller, and its entity tag without quotes."""

    body: bytes
    compressed: bytes | None
    media_type: str
    tag: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "Document":
        compressed = gzip.compress(body, 9, mtime=0) if len(body) >= _WORTH_COMPRESSING else body
        return cls(
            body,
            compressed if len(compressed) < len(body) else None,
            media_type,
            sha256(media_type.encode() + b"\0" + body).hexdigest()[:_TAG],
        )

    def answer(self, request: Request) -> Response:
        """200 with the body, compressed if the client takes that, or 304 if it has it already."""
        squeezed = self.compressed is not None and "gzip" in request.headers.get("accept-encoding", "")
        etag = f'"{self.tag}-gzip"' if squeezed else f'"{self.tag}"'
        security = SECURITY_HEADERS if self.media_type in _DOCUMENTS else {}
        headers = {**security, "ETag": etag, "Cache-Control": "no-cache"}
        if self.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
        if matches(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        if squeezed:
            headers["Content-Encoding"] = "gzip"
            return Response(self.compressed, headers=headers, media_type=self.media_type)
        return Response(self.body, headers=headers, media_type=self.media_type)


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this entity tag (RFC 9110, 13.1.2: weak comparison)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))


class Pages:
    """All files of one folder, by their path below it."""

    def __init__(self, folder: Path = WEB) -> None:
        self._documents = {
            path.relative_to(folder).as_posix(): Document.of(path.read_bytes(), _media_type(path))
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def answer(self, path: str, request: Request) -> Response:
        """The file at `path`; raises NotFound."""
        document = self._documents.get(path)
        if document is None:
            raise NotFound("There is nothing at this address.")
        return document.answer(request)


def _media_type(path: Path) -> str:
    return _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
