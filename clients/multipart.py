"""Uploads as multipart/form-data (RFC 7578), read from disk while they are sent.

At most one piece of each image is in memory; the length is known beforehand, and a body can be sent again.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

#: Bytes read from a file and handed to the network at a time.
PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Image:
    """One picture to upload: a file, or bytes in memory. `name` is shown with its job, never used as a path."""

    content: Path | bytes
    name: str

    @classmethod
    def of(cls, source: "Path | str | bytes | Image") -> "Image":
        """A picture from a path, from bytes or from itself."""
        if isinstance(source, Image):
            return source
        if isinstance(source, bytes):
            return cls(source, "image")
        path = Path(source)
        return cls(path, path.name)

    @property
    def size(self) -> int:
        """Bytes; raises OSError when the file is gone."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


class Body:
    """The body of one upload. Fields come before the images, so that a service can refuse them early."""

    def __init__(self, fields: Mapping[str, str], images: Sequence[Image]) -> None:
        self._boundary = secrets.token_hex(16)
        self._head = b"".join(self._field(name, value) for name, value in fields.items())
        self._parts = [(self._part(image), image, image.size) for image in images]
        self._tail = f"--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """Content-Type and Content-Length of the body."""
        length = len(self._head) + len(self._tail) + sum(len(head) + size + 2 for head, _, size in self._parts)
        return {"Content-Type": f"multipart/form-data; boundary={self._boundary}", "Content-Length": str(length)}

    def pieces(self) -> Iterator[bytes]:
        """The body from its beginning. Raises OSError for a file that cannot be read."""
        yield self._head
        for head, image, size in self._parts:
            yield head
            with _Content(image, size) as content:
                while piece := content.read():
                    yield piece
            yield b"\r\n"
        yield self._tail

    async def pieces_async(self) -> AsyncIterator[bytes]:
        """Like `pieces`, for an event loop."""
        yield self._head
        for head, image, size in self._parts:
            yield head
            with await asyncio.to_thread(_Content, image, size) as content:
                while piece := await asyncio.to_thread(content.read):
                    yield piece
            yield b"\r\n"
        yield self._tail

    def _field(self, name: str, value: str) -> bytes:
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()

    def _part(self, image: Image) -> bytes:
        return (
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="image"; filename="{_quoted(image.name)}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()


class _Content:
    """The bytes of one image, exactly as many as were announced."""

    def __init__(self, image: Image, size: int) -> None:
        self._left = size
        self._memory = memoryview(image.content) if isinstance(image.content, bytes) else None
        self._file: BinaryIO | None = image.content.open("rb") if isinstance(image.content, Path) else None
        self._name = image.name

    def __enter__(self) -> "_Content":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self) -> bytes:
        """The next piece, empty at the end. Raises OSError when the file became shorter meanwhile."""
        wanted = min(PIECE, self._left)
        if self._memory is not None:
            piece = bytes(self._memory[len(self._memory) - self._left :][:wanted])
        elif self._file is not None:
            piece = self._file.read(wanted)
        if len(piece) < wanted:
            raise OSError(f"{self._name} changed while it was uploaded.")
        self._left -= len(piece)
        return piece


def _quoted(name: str) -> str:
    """A file name as browsers write it in a header: quotes and line ends percent-encoded, the rest UTF-8."""
    clean = name.encode(errors="replace").decode()
    return clean.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
