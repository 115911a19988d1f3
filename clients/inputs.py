"""Finding the pictures that a command line names: files, folders, patterns, standard input and addresses."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from clients.errors import WrongUsage
from clients.multipart import Image
from clients.program import program

#: How standard input and output are named.
STANDARD: Final = "-"
#: Bytes that tell what a file is.
_HEAD: Final = 64
#: Suffix of the file name by media type.
SUFFIXES: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/tiff": "tif",
    "image/gif": "gif",
}
_TYPES: Final = {suffix: media_type for media_type, suffix in SUFFIXES.items()} | {
    "jpeg": "image/jpeg",
    "tiff": "image/tiff",
}
_SCHEMES: Final = ("http", "https")
_MAGIC: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
)


class NothingFound(WrongUsage):
    """What was named does not exist, or holds no picture."""


@dataclass(frozen=True, slots=True)
class Input:
    """One picture to develop. `folder` is where it lies below the folder that was named, for outputs alike.

    With a `url` the service fetches it: the image here has its name and no bytes, and the media type is what the name
    says, empty when it says nothing.
    """

    image: Image
    media_type: str
    folder: Path = Path()
    url: str | None = None

    @property
    def shown(self) -> str:
        """What messages call it."""
        if self.url is not None:
            return self.url
        return str(self.image.content) if isinstance(self.image.content, Path) else "-"

    @property
    def stem(self) -> str:
        return Path(self.image.name).stem


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was named by its own name and is no picture."""

    shown: str
    message: str


def media_type_of(head: bytes) -> str | None:
    """The media type that a file's first 64 bytes tell, none when it is no picture that Darkroom reads."""
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return "image/avif" if head[4:8] == b"ftyp" and _is_avif(head) else None


def _is_avif(head: bytes) -> bool:
    """Whether the file type box (ISO/IEC 14496-12, 4.3) names an AVIF brand as its own or as a compatible one."""
    box = head[: int.from_bytes(head[:4], "big")]
    return any(box[at : at + 4] in (b"avif", b"avis") for at in (8, *range(16, len(box), 4)))


def find(names: Sequence[str], *, fetched: bool = False) -> tuple[list[Input], list[Refused]]:
    """The pictures named, each once: files as given, folders with what is below them, sorted, and patterns.

    Where a service fetches them (`fetched`), http and https addresses too; elsewhere WrongUsage is raised for one.

    In folders and patterns files that are no pictures, and hidden ones, are left out; a file named by itself that is no
    picture is refused. Raises NothingFound for a name that is neither file, folder nor pattern, or when no picture is
    left.
    """
    inputs: dict[str, Input] = {}
    refused: list[Refused] = []
    for name in names:
        if urlsplit(name).scheme in _SCHEMES:
            inputs.setdefault(name, _remote(name, fetched=fetched))
            continue
        for found in _named(name):
            if isinstance(found, Refused):
                refused.append(found)
            else:
                key = os.path.realpath(found.shown) if isinstance(found.image.content, Path) else STANDARD
                inputs.setdefault(key, found)
    if not inputs and not refused:
        raise NothingFound(f"There is no picture in {', '.join(names)}.")
    return list(inputs.values()), refused


def _remote(url: str, *, fetched: bool) -> Input:
    if not fetched:
        raise WrongUsage(f"{url} is an address; only '{program()} submit' takes those, for the service fetches them.")
    name = "".join(filter(str.isprintable, Path(unquote(urlsplit(url).path)).name)).lstrip(".") or "image"
    suffix = Path(name).suffix.lower().lstrip(".")
    return Input(Image(b"", name), _TYPES.get(suffix, ""), url=url)


def _named(name: str) -> Iterable[Input | Refused]:
    path = Path(name)
    if name == STANDARD:
        return [_standard_input()]
    if path.is_dir():
        return _below(path)
    if path.exists():
        return [_file(path)]
    matches = sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []  # noqa: PTH207 - any pattern
    if not matches:
        raise NothingFound(f"There is no file or folder {name!r}.")
    return [found for match in matches for found in _matched(Path(match))]


def _matched(path: Path) -> Iterator[Input]:
    if path.is_dir():
        yield from _below(path)
    elif isinstance(found := _file(path), Input):
        yield found


def _below(root: Path) -> Iterator[Input]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            found = _file(Path(folder) / name, Path(folder).relative_to(root))
            if isinstance(found, Input):
                yield found


def _file(path: Path, folder: Path = Path()) -> Input | Refused:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return Refused(str(path), f"cannot be read: {error.strerror}")
    media_type = media_type_of(head)
    if media_type is None:
        return Refused(str(path), "is empty." if not head else "is no JPEG, PNG, WebP, AVIF, TIFF or GIF.")
    return Input(Image(path, path.name), media_type, folder)


def _standard_input() -> Input | Refused:
    data = sys.stdin.buffer.read()
    media_type = media_type_of(data[:_HEAD])
    if media_type is None:
        return Refused(STANDARD, "Standard input is empty." if not data else "Standard input is no picture.")
    return Input(Image(data, f"stdin.{SUFFIXES[media_type]}"), media_type)
