"""Signatures of webhooks, after Standard Webhooks (standardwebhooks.com), version 1."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"
#: Bytes that a secret has by the specification.
_SHORTEST, _LONGEST = 24, 64


def read_secrets(text: str) -> list[bytes]:
    """The secrets in a text, separated by spaces. Raises ValueError, which never repeats the text."""
    secrets = []
    for part in text.split():
        try:
            secret = base64.b64decode(part.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError("a webhook secret is whsec_ and then base64") from None
        if not part.startswith(_PREFIX) or not _SHORTEST <= len(secret) <= _LONGEST:
            raise ValueError(f"a webhook secret is whsec_ and then the base64 of {_SHORTEST} to {_LONGEST} bytes")
        secrets.append(secret)
    return secrets


def signed_headers(secrets: Sequence[bytes], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one delivery; the signature of every secret is in it. `timestamp` is in seconds."""
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    if secrets:
        signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
        digests = (base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets)
        headers["webhook-signature"] = " ".join(f"v1,{digest}" for digest in digests)
    return headers
