"""The bytes of one image on their way in: counted, hashed, looked at, kept in memory or in an unnamed file."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import FileIO
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Final, Self

import structlog

from services.ingest.guard import media_type_of
from shared.errors import Overloaded, StorageUnavailable, TooManyBytes

log = structlog.get_logger()

#: Bytes after which an image that is none can be told; the rest of it is not read.
_TELLING: Final = 4096


class Budget:
    """How many bytes all uploads of this process may hold at one time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        #: The most that was held at one time so far.
        self.peak = 0

    def take(self, size: int) -> None:
        """Hold `size` more bytes; raises Overloaded when they do not fit."""
        if self.used + size > self.limit:
            raise Overloaded("Too many uploads are on their way in; try again in a moment.")
        self.used += size
        self.peak = max(self.peak, self.used)

    def give_back(self, size: int) -> None:
        self.used -= size


class Intake:
    """Collects one image. Use it in a `with` statement: its end gives everything back.

    Up to `memory` bytes are kept in memory; a larger image goes to an unnamed file in `folder`.
    """

    def __init__(self, budget: Budget, *, limit: int, memory: int, folder: Path) -> None:
        self.size = 0
        self._budget = budget
        self._limit = limit
        self._memory = memory
        self._folder = folder
        self._chunks: list[bytes] = []
        self._file: FileIO | None = None
        self._map: mmap.mmap | None = None
        self._hash = sha256()
        self._told = False

    def add(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes.

        Raises TooManyBytes, Overloaded, UnsupportedMedia as soon as it can be told; StorageUnavailable when the folder
        is full or cannot be written.
        """
        size = len(chunk)
        if self.size + size > self._limit:
            raise too_many_bytes(self._limit)
        self._budget.take(size)
        self.size += size
        self._hash.update(chunk)
        if self._file is not None:
            self._write(self._file, chunk)
            return
        self._chunks.append(bytes(chunk))
        if not self._told and self.size >= _TELLING:
            media_type_of(self._joined())
            self._told = True
        if self.size > self._memory:
            self._file = self._new_file()
            self._write(self._file, self._joined())
            self._chunks.clear()

    @property
    def digest(self) -> str:
        """SHA-256 of what came so far, as 64 hexadecimal digits."""
        return self._hash.hexdigest()

    def contents(self) -> bytes | mmap.mmap:
        """The whole image, valid until this object is closed."""
        if self._file is None:
            return self._joined()
        if self._map is None:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map

    def close(self) -> None:
        """Let go of the bytes; closing again does nothing."""
        self._budget.give_back(self.size)
        self.size = 0
        self._chunks.clear()
        self._map = None  # it ends with its last view: a writer that was given up may still read
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _new_file(self) -> FileIO:
        # Without a buffer, so that nothing is left for the end to write that a full disk does not take.
        with self._translated():
            return TemporaryFile(dir=self._folder, buffering=0)

    def _write(self, file: FileIO, data: bytes | memoryview) -> None:
        left = memoryview(data)
        with self._translated():
            while left:
                left = left[file.write(left) :]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            log.error("the folder of uploads cannot be written", folder=str(self._folder), error=str(error))  # noqa: TRY400
            raise StorageUnavailable("There is no room for large uploads now; try again in a moment.") from error

    def _joined(self) -> bytes:
        if len(self._chunks) != 1:
            self._chunks[:] = [b"".join(self._chunks)]
        return self._chunks[0]


def too_many_bytes(limit: int) -> TooManyBytes:
    return TooManyBytes(f"An image has at most {limit} bytes here.", allowed=limit)
