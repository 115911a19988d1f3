"""Publishing straight to the stream for programs without asyncio: the same as `clients.publisher`, waiting here.

with SyncPublisher("redis://127.0.0.1:6379/0", "file:///var/lib/darkroom/blobs") as publisher:
    published = publisher.publish([Path("cat.jpg")], filters="sepia,blur:size=9")
    print(published.batch, published.jobs)
"""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from clients.multipart import Image
from clients.publisher import Published, Publisher, PublisherOptions, PublishOptions, options_of
from shared.events import ImageUploaded
from shared.settings import Settings

_T = TypeVar("_T")


class SyncPublisher:
    """A `Publisher` that blocks. It is of one thread at a time, and not for a thread that runs an event loop."""

    def __init__(self, redis_url: str, blob_url: str, **options: Unpack[PublisherOptions]) -> None:
        self._publisher = Publisher(redis_url, blob_url, **options)
        # Connections belong to the loop that made them, so all calls run on one.
        self._loop = asyncio.Runner()

    @classmethod
    def from_settings(cls, settings: Settings, *, owner: str = "local") -> Self:
        """A publisher for what the DARKROOM_* variables name."""
        return cls(settings.redis_url, settings.blob_url, **options_of(settings, owner))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        try:
            self._wait(self._publisher.close())
        finally:
            self._loop.close()

    def publish(self, images: Sequence[Path | bytes | Image], **options: Unpack[PublishOptions]) -> Published:
        """Store pictures and publish an upload event for each; see `Publisher.publish`, which raises the same."""
        return self._wait(self._publisher.publish(images, **options))

    def add(self, event: ImageUploaded, *, partition: int = 0, bulk: bool = False, wait_for_room: bool = False) -> str:
        """Publish an event for a picture in the store by a plain XADD; returns the id of its job."""
        return self._wait(self._publisher.add(event, partition=partition, bulk=bulk, wait_for_room=wait_for_room))

    def backlog(self, *, partition: int = 0, bulk: bool = False) -> int:
        """Entries of an upload stream that are not done yet."""
        return self._wait(self._publisher.backlog(partition=partition, bulk=bulk))

    def _wait(self, call: Coroutine[Any, Any, _T]) -> _T:
        try:
            return self._loop.run(call)
        except RuntimeError:
            call.close()  # It was never begun: this thread runs a loop already, or the publisher is closed.
            raise
