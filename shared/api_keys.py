"""API keys: who may come in. A file holds the SHA-256 of each key, never the key.

The file is JSON, `{"keys": [{"id", "name", "scopes", "sha256", "created"}]}`. A key reads `dk_<id>_<secret>`; its
secret has 256 random bits, so a plain hash cannot be turned back and nothing slower is needed. Several keys may carry
one name, which is the owner of what is done with them: add the new one, take it into use, revoke the old one.
"""

import fcntl
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec
import structlog

log = structlog.get_logger()

Scope = Literal["submit", "read", "operate"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

#: Random bytes of a secret, as NIST SP 800-63B asks of a look-up secret and more.
_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 4
_KEY = re.compile(r"dk_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
#: What an owner may be called (see `shared.events`), without what could be mistaken for a folder.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Bytes of a key file above which it is none: more than 20,000 keys.
_LARGEST_FILE: Final = 4 * 1024 * 1024


class KeyFileError(ValueError):
    """The key file cannot be used; the message says why and shows nothing of what is in it."""


class ApiKey(msgspec.Struct, frozen=True):
    """One key as the file keeps it. `sha256` is that of the whole key, in hexadecimal."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    sha256: str
    created: str


class _KeyFile(msgspec.Struct):
    keys: list[ApiKey] = []


def read_keys(path: Path) -> list[ApiKey]:
    """The keys of a file. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
        if len(text) > _LARGEST_FILE:
            raise KeyFileError(f"the file of API keys has more than {_LARGEST_FILE} bytes")
        return msgspec.json.decode(text, type=_KeyFile).keys
    except OSError as error:
        raise KeyFileError(f"the file of API keys cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeyFileError("the file of API keys is not what `darkroom keys add` writes") from error


def add_key(path: Path, name: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
    """Add a key to a file, which is made if need be; returns its record and the key itself, which is kept nowhere.

    Raises ValueError for a name that no owner can have, KeyFileError.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("A name is 1 to 64 letters, digits, '.', '_' or '-' and starts with a letter or digit.")
    with _rewriting(path) as keys:
        taken = {key.id for key in keys}
        identity = next(made for made in iter(lambda: secrets.token_hex(_ID_BYTES), "") if made not in taken)
        key = f"dk_{identity}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        ordered = tuple(scope for scope in SCOPES if scope in set(scopes))
        record = ApiKey(identity, name, ordered, _digest(key), created)
        keys.append(record)
    return record, key


def revoke_key(path: Path, identity: str) -> ApiKey:
    """Remove a key from a file by its id; returns its record. Raises KeyError for an unknown id, KeyFileError."""
    with _rewriting(path) as keys:
        found = next((key for key in keys if key.id == identity), None)
        if found is None:
            raise KeyError(identity)
        keys.remove(found)
    return found


class Keyring:
    """The keys of a file that may change at any time: looked at with each request, read again when it did.

    A file that became unreadable leaves the keys as they were, and says so in the log once.
    """

    def __init__(self, path: Path) -> None:
        """Raises KeyFileError when the file cannot be read now."""
        self._path = path
        self._stamp = _stamp(path)
        self._keys = _by_id(read_keys(path))
        self._fault = ""

    def fault(self) -> str:
        """Why the file cannot be read now, so that a key that was revoked may still be valid; empty when it can."""
        self._refresh()
        return self._fault

    def find(self, key: str) -> ApiKey | None:
        """The record of a key, if it is one of the file's; the comparison tells nothing by the time it takes."""
        self._refresh()
        match = _KEY.fullmatch(key)
        record = self._keys.get(match.group(1)) if match else None
        if record is None or not hmac.compare_digest(record.sha256, _digest(key)):
            return None
        return record

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        # What makes a file readable again need not change it.
        if stamp == self._stamp and not self._fault:
            return
        self._stamp = stamp
        try:
            self._keys = _by_id(read_keys(self._path))
        except KeyFileError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                log.error("API keys not read again; those read before stay valid", reason=self._fault)  # noqa: TRY400
        else:
            self._fault = ""
            log.info("API keys read again", keys=len(self._keys))


def _by_id(keys: Sequence[ApiKey]) -> dict[str, ApiKey]:
    return {key.id: key for key in keys}


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file does, also when another one takes its place."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextmanager
def _rewriting(path: Path) -> Iterator[list[ApiKey]]:
    """The keys of a file, to be changed; written whole at the end, by one program at a time.

    A new file is for its user alone; one that was there stays as readable as it was, so that services which run as
    another user see the change. Raises KeyFileError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read_keys(path) if path.exists() else []
        yield keys
        beside = path.with_name(path.name + ".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            _make_alike(file.fileno(), path)
            file.write(msgspec.json.format(msgspec.json.encode(_KeyFile(keys)), indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def _make_alike(descriptor: int, path: Path) -> None:
    """Give an open file the owner, the group and the mode of another one, if that is there. Raises KeyFileError."""
    if not path.exists():
        return
    status = path.stat()
    try:
        os.fchown(descriptor, status.st_uid, status.st_gid)
    except PermissionError as error:
        raise KeyFileError("the file of API keys belongs to another user; change it as that one") from error
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
