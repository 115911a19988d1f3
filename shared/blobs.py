"""The blob store: where pixels live, so that they never travel through Redis.

A thin layer over obstore (`file://`, `s3://`, `gs://`, `az://`, `memory://`; see `shared.folder`). Keys of ours are
`originals|results/<UTC day>/<owner>/<hash>`: whole days can be dropped without counting references, by the janitor
or by a lifecycle rule of the store. Any other key inside the store may be named as a source, and be a link inside it.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, InvalidPathError
from obstore.store import LocalStore, ObjectStore, from_url

from shared.disk import check_room
from shared.errors import SourceNotFound, StorageUnavailable
from shared.folder import Folder
from shared.secret_files import secret

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta, SignCapableStore
    from obstore.store import ClientConfig, RetryConfig, S3Config

Kind = Literal["originals", "results"]

_OURS = re.compile(r"(originals|results)/\d{4}-\d{2}-\d{2}/[^/]+/([0-9a-f]{64})")
#: File in the root of a store on disk: without it the folder is none of ours, but the place where it would be mounted.
_MARK: Final = ".darkroom"
#: What is written to learn whether the store takes anything. It stays: who may write need not be allowed to delete.
_PROBE: Final = "results/probe"
#: An object store is asked again for a few seconds; who waits for longer does so where it can be seen.
_RETRIES: "Final[RetryConfig]" = {"max_retries": 3, "retry_timeout": timedelta(seconds=5)}
#: A connection that does not come about, and a request (of 64 MiB at most by default) that makes no end.
_CLIENT: "Final[ClientConfig]" = {"connect_timeout": timedelta(seconds=3), "timeout": timedelta(seconds=30)}
#: Schemes of stores that sign addresses for themselves.
_SIGNING: Final = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
#: Variables of S3 that hold secrets.
_S3_SECRETS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
#: Control characters, backslashes, and segments that are empty, `.` or `..`.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|(?:^|/)\.{0,2}(?:/|$)")
#: Longest key in bytes that S3 takes; other stores take at least as much.
_LONGEST_KEY: Final = 1024


@dataclass(frozen=True, slots=True)
class Blob:
    """What the store knows of one object. `size` is in bytes."""

    key: str
    size: int
    etag: str


def today() -> str:
    """The UTC day that a key of now carries, `2026-11-24`."""
    return datetime.now(UTC).date().isoformat()


def blob_key(kind: Kind, owner: str, digest: str, *, day: str | None = None) -> str:
    """The key of a blob with this SHA-256 (64 hexadecimal digits), of today unless a day is given."""
    return f"{kind}/{day or today()}/{owner}/{digest}"


def digest_in(key: str) -> str | None:
    """The SHA-256 that a key of ours carries; none for a key that somebody else chose."""
    match = _OURS.fullmatch(key)
    return match.group(2) if match and match.group(1) == "originals" else None


def own_digest(key: str) -> str | None:
    """The SHA-256 in a key of a blob that a service of ours stored; none for one that somebody else put or chose."""
    match = _OURS.fullmatch(key)
    return match.group(2) if match else None


def digest_of(data: bytes | memoryview) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return sha256(data).hexdigest()


def check_key(key: str) -> str:
    """Return `key` if it can name an object inside the store, else raise SourceNotFound.

    Refused are empty, absolute and over-long keys, empty, `.` and `..` segments, backslashes and control
    characters: what one store normalises away and another one follows out of its root.
    """
    if _UNSAFE.search(key) or len(key.encode(errors="replace")) > _LONGEST_KEY:
        raise SourceNotFound("The source is not a key inside the blob store.")
    return key


class BlobStore:
    """Reads and writes whole objects; raises SourceNotFound or StorageUnavailable, nothing else.

    The synchronous methods are for pool children and scripts, those ending in `_async` for event loops. A folder on
    disk is made unless `create` is false; below `reserve` free bytes its disk counts as full.
    """

    def __init__(self, url: str, *, create: bool = True, reserve: int = 0) -> None:
        self.url = url
        self._reserve = reserve
        self._store, self._folder = _open(url, create=create)

    def get(self, key: str, *, check: Callable[[int], None] | None = None) -> memoryview:
        """The bytes of one object, without a copy; `check` is told how many before they are read, and may raise."""
        with self._translated(key):
            if self._folder is not None:
                return self._folder.read(check_key(key), check)
            answer = obstore.get(self._store, check_key(key))
            if check is not None:
                check(answer.meta["size"])
            return memoryview(answer.bytes())

    async def get_async(self, key: str) -> memoryview:
        with self._translated(key):
            return memoryview(await (await obstore.get_async(self._store, self._inside(key))).bytes_async())

    def put(self, key: str, data: bytes | memoryview, *, media_type: str = "") -> None:
        """Store an object whole or not at all. An object store serves it with the media type; a folder has none."""
        with self._translated(key):
            self._check_mark()
            if self._folder is not None:
                self._folder.write(check_key(key), data)
            else:
                obstore.put(self._store, check_key(key), data, attributes=_typed(media_type), use_multipart=False)

    async def put_async(self, key: str, data: bytes | memoryview, *, media_type: str = "") -> None:
        with self._translated(key):
            self._check_mark()
            if self._folder is not None:
                await self._folder.write_async(check_key(key), data)
            else:
                attributes = _typed(media_type)
                await obstore.put_async(self._store, check_key(key), data, attributes=attributes, use_multipart=False)

    async def create_async(self, key: str, data: bytes) -> bool:
        """Store an object unless there is one under this key; returns whether it did."""
        with self._translated(key):
            self._check_mark()
            try:
                await obstore.put_async(self._store, check_key(key), data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def has(self, key: str) -> bool:
        """Whether there is an object under this key."""
        try:
            with self._translated(key):
                if self._folder is not None:
                    self._folder.find(check_key(key))
                else:
                    obstore.head(self._store, check_key(key))
        except SourceNotFound:
            return False
        return True

    async def head_async(self, key: str) -> Blob | None:
        """What the store knows of an object; none when it is not there."""
        try:
            with self._translated(key):
                return _blob(await obstore.head_async(self._store, self._inside(key)))
        except SourceNotFound:
            return None

    async def stream(self, key: str, *, start: int, end: int, chunk: int = 256 * 1024) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces of about `chunk` bytes."""
        with self._translated(key):
            answer = await obstore.get_async(self._store, self._inside(key), options={"range": (start, end)})
            async for piece in answer.stream(min_chunk_size=chunk):
                yield bytes(piece)

    async def delete_async(self, keys: Sequence[str]) -> None:
        """Remove objects; those already gone are no error."""
        for key in keys:
            try:
                with self._translated(key):
                    await obstore.delete_async(self._store, check_key(key))
            except SourceNotFound:
                continue

    async def days(self, kind: Kind) -> list[str]:
        """The UTC days that hold blobs of a kind, oldest first."""
        with self._translated(kind):
            listing = await obstore.list_with_delimiter_async(self._store, kind)
        return sorted(prefix.rstrip("/").rsplit("/", 1)[-1] for prefix in listing["common_prefixes"])

    async def drop_day(self, kind: Kind, day: str) -> int:
        """Remove all blobs of one kind and day; returns how many there were."""
        dropped = 0
        with self._translated(kind):
            async for page in obstore.list(self._store, f"{kind}/{day}", chunk_size=1000):
                paths = [meta["path"] for meta in page]
                await obstore.delete_async(self._store, paths)
                dropped += len(paths)
        return dropped

    @property
    def can_presign(self) -> bool:
        """Whether the store can be asked for an object directly, with an address that it signed."""
        return urlsplit(self.url).scheme in _SIGNING

    async def presign_async(self, key: str, seconds: int, *, method: Literal["GET", "PUT"] = "GET") -> str:
        """An address at the store itself that answers, or takes, the bytes of one object for some seconds."""
        with self._translated(key):
            # Stores on disk and in memory sign nothing; `can_presign` tells.
            store = cast("SignCapableStore", self._store)
            return await obstore.sign_async(store, method, check_key(key), timedelta(seconds=seconds))

    async def check(self) -> None:
        """Raise StorageUnavailable unless the store answers."""
        with self._translated("health"):
            self._check_mark()
            await obstore.list_with_delimiter_async(self._store, "originals")

    async def check_room(self) -> None:
        """Raise StorageUnavailable when the disk of a folder is away or full; of other stores that is not known."""
        if self._folder is not None:
            with self._translated("health"):
                self._check_mark()
                await asyncio.to_thread(check_room, self._folder.root, self._reserve)

    async def check_taking(self) -> None:
        """Raise StorageUnavailable unless the store answers and, as far as that is known, takes objects."""
        await self.check()
        await self.check_room()

    async def check_writing(self) -> None:
        """Raise StorageUnavailable unless the store takes an object: it writes one, under a key of its own."""
        await self.check_taking()
        await self.put_async(_PROBE, b"")

    def _inside(self, key: str) -> str:
        """Return `key` once it is known not to lead out of a folder; obstore itself follows every link."""
        if self._folder is not None:
            self._folder.find(check_key(key))
        return check_key(key)

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        """Turn what obstore raises into the two errors that this module promises."""
        try:
            yield
        except (FileNotFoundError, InvalidPathError, IsADirectoryError) as error:
            self._check_mark()
            raise SourceNotFound(f"There is no object {key!r} in the blob store.") from error
        except (BaseError, OSError) as error:
            raise StorageUnavailable("The blob store did not answer.") from error

    def _check_mark(self) -> None:
        """A folder that is not mounted looks like an empty store: nothing must be looked for or written there."""
        if self._folder is not None and not self._folder.has(_MARK):
            raise StorageUnavailable("The folder of the blob store is not there.")


def _typed(media_type: str) -> "Attributes | None":
    return {"Content-Type": media_type} if media_type else None


def _open(url: str, *, create: bool) -> tuple[ObjectStore, Folder | None]:
    """The store at a URL, and the folder if it is one."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        root = Path(unquote(parts.path))
        if create:
            root.mkdir(parents=True, exist_ok=True)
            (root / _MARK).touch()
        # A day that was dropped leaves no empty folders behind.
        return LocalStore(root, automatic_cleanup=True), Folder(root)
    if parts.scheme == "memory":
        return from_url(url), None
    config = _s3_credentials() if parts.scheme in ("s3", "s3a") else None
    return from_url(url, config=config, retry_config=_RETRIES, client_options=_client_options()), None


def _s3_credentials() -> "S3Config | None":
    """Credentials that files hold; those of the environment the store finds by itself."""
    found = {name: secret(name) for name in _S3_SECRETS if os.environ.get(f"{name}_FILE")}
    return cast("S3Config", {name.lower(): value for name, value in found.items()}) or None


def _client_options() -> "ClientConfig":
    """Options given here hide those of the environment, so its permission of plain HTTP is handed on."""
    names = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP")
    plain = any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in names)
    return {**_CLIENT, "allow_http": True} if plain else _CLIENT


def _blob(meta: "ObjectMeta") -> Blob:
    return Blob(key=meta["path"], size=meta["size"], etag=meta["e_tag"] or f"{meta['size']:x}")
