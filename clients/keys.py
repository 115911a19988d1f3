"""What `darkroom keys` does: it writes the file that the services read."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from clients.display import write_json, write_lines
from clients.errors import WrongUsage
from shared import api_keys
from shared.api_keys import SCOPES, ApiKey, KeyFileError, Scope

_FAILED: Final = 1


def add_key(file: Path, name: str, scopes: Sequence[str], *, as_json: bool) -> int:
    """Make a key and print it. Raises WrongUsage."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise WrongUsage(f"There is no scope {unknown[0]!r}; there are {', '.join(SCOPES)}.")
    try:
        record, key = api_keys.add_key(file, name, cast("Sequence[Scope]", scopes))
    except ValueError as error:
        raise _wrong(file, error) from error
    if as_json:
        write_json({**_shown(record), "key": key})
    else:
        write_lines([key])
        _say(f"This is shown once. Use it with --key or DARKROOM_API_KEY; its id is {record.id}.")
    return 0


def list_keys(file: Path, *, as_json: bool) -> int:
    """List the keys of a file; of one that is not there, none. Raises WrongUsage."""
    try:
        keys = api_keys.read_keys(file) if file.exists() else []
    except KeyFileError as error:
        raise _wrong(file, error) from error
    for key in keys:
        if as_json:
            write_json(_shown(key))
        else:
            write_lines([f"{key.id}  {key.name:<24} {','.join(key.scopes):<20} {key.created}"])
    return 0


def revoke_key(file: Path, identity: str, *, as_json: bool) -> int:
    """Remove a key. Raises WrongUsage."""
    try:
        record = api_keys.revoke_key(file, identity)
    except KeyError:
        _say(f"There is no key {identity} in {file}.")
        return _FAILED
    except KeyFileError as error:
        raise _wrong(file, error) from error
    if as_json:
        write_json(_shown(record))
    else:
        write_lines([f"Revoked {record.id} of {record.name}."])
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - said to the person at the terminal


def _shown(key: ApiKey) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(key)
    del shown["sha256"]
    return shown


def _wrong(file: Path, error: ValueError) -> WrongUsage:
    return WrongUsage(f"{file}: {error}" if isinstance(error, KeyFileError) else str(error))
