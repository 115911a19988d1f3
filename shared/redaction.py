"""Secrets in a text made unreadable: the last guard before a log line or a span leaves the process.

Nothing of ours writes a secret on purpose. But what libraries raise may quote an address, a header or a query, and a
name is all that tells what of it is one.
"""

import re
from typing import Final

#: Names whose value is a secret, as parameters of a query or of a header.
_NAMES: Final = (
    "password|passwd|secret|token|api[_-]?key|sig|signature|credential|"
    "x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|x-goog-credential|"
    "aws_secret_access_key|aws_access_key_id|aws_session_token"
)
#: The text before a secret is its first group, and is kept.
_SECRETS: Final = (
    # Passwords in addresses. Redis URLs are ours to read, also with a password that is not encoded.
    re.compile(r"(rediss?://[^\s:/@\"']*:)[^\s\"']+(?=@)", re.IGNORECASE),
    re.compile(r"(://[^\s:/@\"']*:)[^\s/?#@\"']+(?=@)"),
    re.compile(rf"((?<![\w-])(?:{_NAMES})=)[^&\s\"',;)]+", re.IGNORECASE),
    # API keys, of which the id says whose it is, then what else comes as a bearer, and secrets of webhooks.
    re.compile(r"(dk_[0-9a-f]{8}_)[\w-]{16,}"),
    re.compile(r"(\bbearer\s+)(?!dk_)[\w.~+/=-]{16,}", re.IGNORECASE),
    re.compile(r"(whsec_)[\w+/=-]{8,}"),
)


def redacted(text: str) -> str:
    """The text with `***` in place of each secret."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text
