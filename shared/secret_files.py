"""Secrets from files: `<NAME>_FILE` names a file that holds the value of `<NAME>`, as Docker and Kubernetes mount them.

Only who may read a file reads it, while an environment is shown by `docker inspect` and inherited by every child.
"""

import os
from pathlib import Path
from typing import Final

#: Bytes above which a file holds no secret, whatever it is.
_LARGEST: Final = 64 * 1024


class SecretFileError(ValueError):
    """A secret cannot be had; the message names the variable and never shows what a file holds."""


def secret(name: str) -> str | None:
    """The value of an environment variable, or of the file that `<name>_FILE` names; none when neither is given.

    White space around the text of a file is not part of it. Raises SecretFileError when both are given or
    the file cannot be read.
    """
    named = os.environ.get(f"{name}_FILE")
    if not named:
        return os.environ.get(name)
    if name in os.environ:
        raise SecretFileError(f"{name} and {name}_FILE are both given; give one of them")
    return _read(Path(named), f"{name}_FILE")


def _read(path: Path, variable: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise SecretFileError(f"the file that {variable} names cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise SecretFileError(f"the file that {variable} names has more than {_LARGEST} bytes")
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        raise SecretFileError(f"the file that {variable} names is not text in UTF-8") from None
    if not text:
        raise SecretFileError(f"the file that {variable} names is empty")
    return text
