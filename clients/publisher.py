"""Publishing straight to the stream, without HTTP.

    async with Publisher("redis://127.0.0.1:6379/0", "file:///var/lib/darkroom/blobs") as publisher:
        published = await publisher.publish([Path("cat.jpg")], filters="sepia,blur:size=9")
        print(published.batch, published.jobs)

The picture goes to the blob store under its hash, then one script records the job and publishes its event, so that a
publisher that is cut short leaves nothing half done. `add` is the plain XADD that any language can do, for pictures
that are in the store already.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypedDict

from redis.exceptions import NoPermissionError, RedisError
from redis.typing import EncodableT, FieldT

from clients.multipart import Image
from shared import catalogue, keys, trace_context
from shared.backlog import memory_share, waiting
from shared.blobs import BlobStore, blob_key, digest_of
from shared.catalogue import FilterDocument
from shared.chain import parse_chain
from shared.connections import connect
from shared.errors import NoCatalogue, Overloaded, StorageUnavailable
from shared.events import FilterSpec, ImageUploaded, Output, encode
from shared.settings import Settings
from shared.submission import Submission, Submitter, partition_for

#: Jobs recorded and published by one call of the script.
_CHUNK: Final = 64
#: Pictures read and stored at a time.
_STORING: Final = 4
#: Seconds between looks at a backlog that is too long; doubled up to the second figure.
_LOOK: Final = (0.05, 2.0)


@dataclass(frozen=True, slots=True)
class Published:
    """The batch, and the id of each picture's job in the order they were given."""

    batch: str
    jobs: list[str]


class PublisherOptions(TypedDict, total=False):
    """How a publisher is set up, see `Publisher`."""

    owner: str
    partitions: int
    backlog_limit: int
    memory_limit: float
    cluster: bool


def options_of(settings: Settings, owner: str) -> PublisherOptions:
    """What the DARKROOM_* variables say beside the addresses, for one owner."""
    return {
        "owner": owner,
        "partitions": settings.partitions,
        "backlog_limit": settings.backlog_limit,
        "cluster": settings.redis_cluster,
    }


class PublishOptions(TypedDict, total=False):
    """What can be asked for with pictures, see `Publisher.publish`."""

    filters: str | Sequence[FilterSpec]
    output: Output | None
    bulk: bool
    batch: str | None
    expected: int | None
    webhook: str | None
    wait_for_room: bool


class Publisher:
    """Publishes pictures of one owner.

    `partitions` and `cluster` must be what the services have (DARKROOM_PARTITIONS, DARKROOM_REDIS_CLUSTER). Above
    `backlog_limit` waiting entries of a stream, or a share of Redis's memory, `publish` and `add` raise Overloaded, or
    wait for room when they are asked to.
    """

    def __init__(
        self,
        redis_url: str,
        blob_url: str,
        *,
        owner: str = "local",
        partitions: int = 1,
        backlog_limit: int = 1_000_000,
        memory_limit: float = 0.95,
        cluster: bool = False,
    ) -> None:
        self._redis = connect(redis_url, cluster=cluster, repeat=False)
        self._store = BlobStore(blob_url)
        self._submitter = Submitter(self._redis)
        self._owner = owner
        self._partitions = partitions
        self._limit = backlog_limit
        self._memory_limit = memory_limit

    @classmethod
    def from_settings(cls, settings: Settings, *, owner: str = "local") -> Self:
        """A publisher for what the DARKROOM_* variables name."""
        return cls(settings.redis_url, settings.blob_url, **options_of(settings, owner))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def publish(
        self,
        images: Sequence[Path | bytes | Image],
        *,
        filters: str | Sequence[FilterSpec] = (),
        output: Output | None = None,
        bulk: bool = False,
        batch: str | None = None,
        expected: int | None = None,
        webhook: str | None = None,
        wait_for_room: bool = False,
    ) -> Published:
        """Store pictures and publish an upload event for each; several calls may join one `batch`.

        Raises InvalidParameter or UnknownFilter for a chain that cannot be read (whether its filters exist the workers
        check), OSError for a file that cannot be read, Overloaded and StorageUnavailable.
        """
        chain = parse_chain(filters) if isinstance(filters, str) else list(filters)
        partition = partition_for(self._owner, batch, None, self._partitions)
        batch = batch or keys.new_id(partition)
        jobs: list[str] = []
        for start in range(0, len(images), _CHUNK):
            chunk = [Image.of(image) for image in images[start : start + _CHUNK]]
            await self._room(partition, len(chunk), bulk=bulk, wait=wait_for_room)
            events = [
                ImageUploaded(
                    source=source,
                    job_id=keys.new_id(partition),
                    owner=self._owner,
                    batch=batch,
                    expected=expected,
                    filters=chain,
                    output=output or Output(),
                    webhook=webhook,
                    name=image.name,
                    bytes_in=size,
                )
                for image, (source, size) in zip(chunk, await self._stored(chunk), strict=True)
            ]
            await self._submitter.submit(
                Submission(partition, self._owner, batch, events, bulk=bulk, expected=expected)
            )
            jobs += [event.job_id for event in events if event.job_id is not None]
        return Published(batch, jobs)

    async def add(
        self, event: ImageUploaded, *, partition: int = 0, bulk: bool = False, wait_for_room: bool = False
    ) -> str:
        """Publish an event for a picture in the store by a plain XADD; returns the id of its job.

        The job can be read once a worker has started it. A call whose reply was lost may have published; give the
        event a `job_id` to make repeating it harmless.
        """
        await self._room(partition, 1, bulk=bulk, wait=wait_for_room)
        traceparent, tracestate = trace_context.carrier(trace_context.current())
        # Names and values as redis-py types the fields of an entry.
        fields: dict[FieldT, EncodableT] = {"data": encode(event)}
        if traceparent:
            fields |= {"traceparent": traceparent, "tracestate": tracestate}
        try:
            entry_id = await self._redis.xadd(keys.uploaded(partition, bulk=bulk), fields)
        except RedisError as error:
            raise StorageUnavailable("Redis did not take the event; it may be published all the same.") from error
        text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
        return event.job_id or keys.job_of_entry(partition, text, bulk=bulk)

    async def offered(self) -> list[FilterDocument] | None:
        """The filters that workers take, by name; none where that is not known: to nobody yet, or not to this user.

        Raises StorageUnavailable.
        """
        try:
            return await catalogue.offered(self._redis)
        except (NoCatalogue, NoPermissionError):
            return None
        except RedisError as error:
            raise StorageUnavailable("Redis did not answer.") from error

    async def backlog(self, *, partition: int = 0, bulk: bool = False) -> int:
        """Entries of an upload stream that are not done yet."""
        try:
            return await waiting(self._redis, keys.uploaded(partition, bulk=bulk))
        except RedisError as error:
            raise StorageUnavailable("Redis did not answer.") from error

    async def _room(self, partition: int, jobs: int, *, bulk: bool, wait: bool) -> None:
        pause = _LOOK[0]
        while (refused := await self._refused(partition, jobs, bulk=bulk)) is not None:
            if not wait:
                raise refused
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LOOK[1])

    async def _refused(self, partition: int, jobs: int, *, bulk: bool) -> Overloaded | None:
        """Why `jobs` more would be too many now."""
        backlog = await self.backlog(partition=partition, bulk=bulk)
        if backlog + jobs > self._limit:
            return Overloaded(f"{backlog} images are waiting; at most {self._limit} may.", allowed=self._limit)
        try:
            full = await memory_share(self._redis) > self._memory_limit
        except RedisError as error:
            raise StorageUnavailable("Redis did not answer.") from error
        return Overloaded("The queue's memory is nearly full; try again later.") if full else None

    async def _stored(self, images: Sequence[Image]) -> list[tuple[str, int]]:
        """Blob key and bytes of each picture, a few of them in memory at a time."""
        places = asyncio.Semaphore(_STORING)

        async def store(image: Image) -> tuple[str, int]:
            async with places:
                return await asyncio.to_thread(self._keep, image)

        return list(await asyncio.gather(*(store(image) for image in images)))

    def _keep(self, image: Image) -> tuple[str, int]:
        # In a thread of ours: those of the store's own event loop can meet the end of a short program and abort it.
        data = image.content if isinstance(image.content, bytes) else image.content.read_bytes()
        key = blob_key("originals", self._owner, digest_of(data))
        if not self._store.has(key):
            self._store.put(key, data)
        return key, len(data)
