"""Writing an object into a store that is a folder: whole or not at all, and without another thread.

obstore hands each of these writes to a thread and waits for it. Where all cores are at work the two switches cost
several times what the write does, so a folder is written here; everything else about it is obstore's.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from random import getrandbits
from typing import Final

#: An empty folder may be removed between being made and being used, by whoever deletes the last object of a day.
_TRIES: Final = 5


def write(root: Path, key: str, data: bytes | memoryview) -> None:
    """Put `data` under `key` in the folder `root`, replacing what is there. Raises OSError.

    The bytes go to a file beside it first, whose name ends as those of obstore do (`#` and digits), so that no listing
    shows what an end in between leaves. Nothing is synced to the disk, as by obstore.
    """
    path = root / key
    staged = path.with_name(f"{path.name}#{getrandbits(62)}")
    file = _create(staged)
    try:
        try:
            _write_all(file, memoryview(data))
        finally:
            os.close(file)
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def _create(path: Path) -> int:
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        path.parent.mkdir(parents=True, exist_ok=True)
    raise OSError(errno.EBUSY, "the folder is removed as often as it is made", str(path))


def _write_all(file: int, data: memoryview) -> None:
    written = 0
    while written < len(data):
        written += os.write(file, data[written:])
