"""Signed addresses that expire: whoever has one may fetch one picture without a key, and nothing else.

The signature is HMAC-SHA-256 over the path, the owner and the time of expiry. A secret comes from a file with one
secret per line: the first signs, every one is accepted, so that a new one can be put in front before the old one goes.
"""

import base64
import hmac
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from shared.errors import Forbidden

#: Bytes that a secret must have at least (RFC 2104, 3: the length of the hash's output).
_SHORTEST: Final = 32
#: Names of the parameters that a signed address carries.
_OWNER, _EXPIRES, _SIGNATURE = "owner", "expires", "signature"


class Links:
    """Signs and checks addresses."""

    def __init__(self, secrets: list[bytes]) -> None:
        self._secrets = secrets

    @classmethod
    def from_file(cls, path: Path) -> "Links":
        """Raises ValueError when there is no secret that is long enough, which it never repeats; OSError."""
        secrets = [line.strip() for line in path.read_bytes().splitlines() if line.strip()]
        if not secrets or min(map(len, secrets)) < _SHORTEST:
            raise ValueError(f"a secret that signs links has at least {_SHORTEST} characters, one secret on a line")
        return cls(secrets)

    def sign(self, path: str, owner: str, expires: int) -> str:
        """The path with a query that opens it until `expires` (seconds since the epoch)."""
        signature = _signature(self._secrets[0], path, owner, expires)
        return f"{path}?{urlencode({_OWNER: owner, _EXPIRES: expires, _SIGNATURE: signature})}"

    def owner_of(self, path: str, query: Mapping[str, str]) -> str | None:
        """The owner for whom a request speaks by its signature; none for one that has none. Raises Forbidden."""
        signature = query.get(_SIGNATURE)
        if signature is None:
            return None
        owner, text = query.get(_OWNER, ""), query.get(_EXPIRES, "")
        expires = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
        expected = [_signature(secret, path, owner, expires) for secret in self._secrets]
        if not any(hmac.compare_digest(one.encode(), signature.encode()) for one in expected):
            raise Forbidden("The signature of this link is wrong.")
        if expires < time.time():
            raise Forbidden("This link has expired.")
        return owner


def _signature(secret: bytes, path: str, owner: str, expires: int) -> str:
    digest = hmac.digest(secret, f"darkroom link 1\n{path}\n{owner}\n{expires}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
