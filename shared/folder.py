"""Writing and reading whole objects in a store that is a folder: each whole or not at all.

obstore hands every one of these calls to a thread and waits for it. Where all cores are at work, as they are when
images come in, the switches cost several times what the call does: an upload of 20 KB took 30 % less of the processor
when they were gone. So a folder is written and read here: large objects in a thread, others directly, which takes less
than a millisecond as long as the system has memory to keep them in. All else is obstore's.
"""

import asyncio
import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import getrandbits
from typing import Final, TypeAlias

from shared.group_commit import GroupCommit

#: An empty folder may be removed between being made and being used, by whoever deletes the last object of a day.
_TRIES: Final = 5
#: How names of files end that are not whole yet.
_STAGED: Final = re.compile(r"#\d+$")
#: Bytes that are written without a thread, or by one for several objects: about half a millisecond of copying.
_SMALL: Final = 512 * 1024
#: Seconds that tell a write of so many bytes to be slow, and seconds that no write is tried without a thread then.
_SLOW: Final = 0.02
_REST: Final = 2.0

_Object: TypeAlias = tuple[str, bytes | memoryview]


class Folder:
    """A folder that holds objects under their keys, which are checked before. Everything raises OSError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = str(root)
        #: Where that is, once links are followed; learned again when it seems to have changed.
        self._place = ""
        self._writes: GroupCommit[_Object, int] = GroupCommit(
            self._write_together, weight=lambda one: len(one[1]), most=_SMALL
        )
        #: When writes may hold the event loop again (monotonic).
        self._quick_from = 0.0

    def read(self, key: str, check: Callable[[int], None] | None = None) -> memoryview:
        """All bytes of the object under `key`; `check` is told how many there are before they are read."""
        with self._found(key) as (handle, size):
            if check is not None:
                check(size)
            # The very file that was looked at, whatever is under its name by now.
            with open(f"/proc/self/fd/{handle}", "rb", buffering=0) as file:  # noqa: PTH123 - see `write`
                return memoryview(file.readall())

    def has(self, name: str) -> bool:
        """Whether there is a file of this name at the top."""
        return os.path.exists(f"{self._root}/{name}")  # noqa: PTH110 - see `write`

    def find(self, key: str) -> int:
        """The bytes of the object under `key`. Raises unless there is one."""
        with self._found(key) as (_, size):
            return size

    def write(self, key: str, data: bytes | memoryview) -> int:
        """Put `data` under `key`, replacing what is there; returns its bytes.

        They go to a file beside it first, whose name ends as those of obstore do (`#` and digits), so that no listing
        shows what a sudden end leaves. Nothing is synced to the disk, as by obstore.
        """
        # Paths as texts: objects of pathlib take as long to make as a small file does.
        path = f"{self._root}/{key}"
        staged = f"{path}#{getrandbits(62)}"
        file = _create(staged)
        try:
            try:
                _write_all(file, data)
            finally:
                os.close(file)
            os.replace(staged, path)  # noqa: PTH105
        except BaseException:
            Path(staged).unlink(missing_ok=True)
            raise
        return len(data)

    async def write_async(self, key: str, data: bytes | memoryview) -> None:
        """The same from an event loop, which a disk that is slow holds up once in some seconds."""
        began = time.monotonic()
        if len(data) > _SMALL:
            await asyncio.to_thread(self.write, key, data)
        elif began < self._quick_from:
            await self._writes.add((key, data))
        else:
            try:
                self.write(key, data)
            finally:
                ended = time.monotonic()
                if ended - began > _SLOW:
                    self._quick_from = ended + _REST

    @contextmanager
    def _found(self, key: str) -> Iterator[tuple[int, int]]:
        """A handle of the file under `key`, good for looking at it alone, and its bytes.

        Links are followed as long as they stay in the folder. The kernel tells where they led: asking it costs 2 µs, to
        resolve the path beforehand costs ten times that, and would leave a moment to change it in.
        """
        with _no_such_name(key):
            handle = os.open(f"{self._root}/{key}", os.O_PATH | os.O_CLOEXEC)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError(errno.ENOENT, "not a file", key)
            if not self._holds(os.readlink(f"/proc/self/fd/{handle}")):  # noqa: PTH115
                raise FileNotFoundError(errno.ENOENT, "a link that leads out of the store", key)
            yield handle, found.st_size
        finally:
            os.close(handle)

    def _holds(self, path: str) -> bool:
        """Whether a path without links is one below the folder, which may be a link itself."""
        if self._place and path.startswith(self._place):
            return True
        self._place = os.path.realpath(self._root).rstrip("/") + "/"
        return path.startswith(self._place)

    async def _write_together(self, objects: Sequence[_Object]) -> Sequence[int | Exception]:
        return await asyncio.to_thread(lambda: [self._tried(*one) for one in objects])

    def _tried(self, key: str, data: bytes | memoryview) -> int | OSError:
        try:
            return self.write(key, data)
        except OSError as error:
            return error


@contextmanager
def _no_such_name(key: str) -> Iterator[None]:
    """A key is one of nothing if it leads through a file, in a circle, or no whole file can have it as its name."""
    if _STAGED.search(key):
        raise FileNotFoundError(errno.ENOENT, "the name of a file that is being written", key)
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP):
            raise FileNotFoundError(errno.ENOENT, error.strerror, key) from error
        raise


def _create(path: str) -> int:
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    raise OSError(errno.EBUSY, "the folder is removed as often as it is made", path)


def _write_all(file: int, data: bytes | memoryview) -> None:
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(file, view[written:])
