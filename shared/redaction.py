"""Secrets in a text made unreadable: the last guard before a log line or a span leaves the process.

Nothing of ours writes a secret on purpose. But what libraries raise may quote an address, a header, a query or a
dictionary, and a name is all that tells what of it is one.
"""

import re
from typing import Final

#: How a name ends whose value is a secret, whatever it begins with: `access_token`, `AWS_SECRET_ACCESS_KEY`.
_NAMES: Final = (
    "passw(?:or)?d|secret|token|signature|credential|api[_-]?key|access[_-]?key(?:[_-]?id)?|"
    "(?:secret|private)[_-]?key|(?<![a-z])sig"
)
_HINTS: Final = ("passw", "secret", "token", "sig", "credential", "key")
#: What stands between name and value: `=` or `:`, and a quote behind the name where it is a key of a dictionary. Quotes
#: have a backslash or several where the text was quoted itself.
_IS: Final = r"""(?:\\*["'])?[ \t]*[=:][ \t]*"""
#: Words without which a pattern cannot match: to look for these costs a hundredth of a search; most lines have none.
#: The text before a secret is the first group of its pattern, and is kept.
_SECRETS: Final = (
    # Passwords in addresses. Redis URLs are ours to read, also with a password that is not encoded.
    (("://",), re.compile(r"(rediss?://[^\s:/@\"']*:)[^\s\"']+(?=@)", re.IGNORECASE)),
    (("://",), re.compile(r"(://[^\s:/@\"']*:)[^\s/?#@\"']+(?=@)")),
    # A value in quotes ends with the same quote; another one where a query, a header or a list goes on.
    (_HINTS, re.compile(rf"""((?:{_NAMES}){_IS}b?(\\*["']))(?:(?!(?<!\\)\2).)++(?=\2)""", re.IGNORECASE)),
    (_HINTS, re.compile(rf"""((?:{_NAMES}){_IS}(?:b?\\*["'])?+)(?!\*{{3}})[^&\s"',;)}}\]\\]+""", re.IGNORECASE)),
    (
        ("authorization",),
        re.compile(rf"""(authorization{_IS}(?:b?\\*["'])?(?:basic|digest|negotiate)[ ]+)[^\s"'\\]+""", re.IGNORECASE),
    ),
    # API keys, of which the id says whose it is, then what else comes as a bearer, and secrets of webhooks.
    (("dk_",), re.compile(r"(dk_[0-9a-f]{8}_)[\w-]{16,}")),
    (("bearer",), re.compile(r"(\bbearer\s+)(?!dk_)[\w.~+/=-]{16,}", re.IGNORECASE)),
    (("whsec_",), re.compile(r"(whsec_)[\w+/=-]{8,}")),
)


def redacted(text: str) -> str:
    """The text with `***` in place of each secret."""
    words = text.lower()
    for hints, pattern in _SECRETS:
        if any(hint in words for hint in hints):
            text = pattern.sub(r"\1***", text)
    return text
