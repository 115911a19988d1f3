"""The data directory: made, private to its user, and locked by the one stack that uses it."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra import addresses
from infra.errors import CannotStart, WrongUsage

_LOCK: Final = "lock"
#: Seconds that the server of a killed stack may take to sync its file and let go of the lock.
_PATIENCE: Final = 15.0


@contextmanager
def locked(data_dir: Path) -> Iterator[int]:
    """Hold the data directory; yields the descriptor of the lock.

    The Redis server inherits the descriptor, so that the directory stays locked until its server is gone too: two
    servers on one append-only file would spoil it. Raises WrongUsage when another stack holds it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(f"Cannot use the data directory {data_dir}: {error.strerror}.") from error
    try:
        _acquire(descriptor, data_dir)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, data_dir: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = int(os.pread(descriptor, 32, 0) or b"0")
            if _runs(holder) or time.monotonic() > deadline:
                raise WrongUsage(_in_use(data_dir, holder)) from None
            time.sleep(0.05)
        else:
            return


def _runs(pid: int) -> bool:
    """Whether the holder lives; when not, only its server still holds the lock, and will soon let go."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _in_use(data_dir: Path, holder: int) -> str:
    known = addresses.read(data_dir)
    where = f" at {known.http}" if known and known.pid == holder else ""
    return (
        f"Darkroom already runs on {data_dir}{where} (process {holder}). "
        f"Use that one, stop it (kill {holder}), or start another with --data-dir."
    )


def own_secret(path: Path) -> Path:
    """The file of a secret that is made up at its first use, for this user alone."""
    if not path.exists():
        beside = path.with_name(path.name + ".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        beside.replace(path)
    return path
