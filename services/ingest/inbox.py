"""Uploads that bypass the services: an address at the object store to put an image to, and then a request by its key.

The address is signed for one new key below `inbox/<owner>/`; a request names that key as `source`. Its bytes are seen
by the worker alone, which reads, hashes and checks them; here only their number is looked at.

A request may also name an original that its owner sent earlier on the same day, as job documents tell it: another chain
does not need its bytes again. Blobs are reused only within their day, so that the janitor can drop whole ones.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import uuid_utils
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.intake import too_many_bytes
from services.ingest.settings import IngestSettings
from shared import problems
from shared.access import admit
from shared.blobs import BlobStore, blob_key, check_key, digest_in
from shared.errors import (
    Forbidden,
    InvalidParameter,
    InvalidRequest,
    NotSupported,
    RateLimited,
    SourceNotFound,
    StorageUnavailable,
    Unauthorized,
)

PATH: Final = "/v1/uploads"
#: Seconds that an address is good for: a large image over a slow line.
_SECONDS: Final = 900
_FOLDER: Final = "inbox"
_KEY: Final = "inbox/alice/01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f"
_EXAMPLE: Final[dict[str, Any]] = {
    "source": _KEY,
    "url": f"https://s3.example.com/darkroom/{_KEY}?X-Amz-Expires=900&X-Amz-Signature=…",
    "expires": "2026-11-24T15:15:00Z",
}


class Ticket(BaseModel):
    """Where to put one image, and how to name it afterwards."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    source: str = Field(description="The key of the image: the parameter `source` of POST /v1/images.")
    url: str = Field(description="Where to PUT the bytes, as they are. It needs no API key; keep it to yourself.")
    expires: datetime = Field(description="Until when the address is good.")


class Waiting(NamedTuple):
    """An image that lies in the store. `size` is in bytes; `version` changes with its bytes.

    `is_new` tells one in the inbox, whose bytes nobody has counted yet.
    """

    size: int
    version: str
    is_new: bool


class Inbox:
    """The part of the store that owners may put images to themselves."""

    def __init__(self, store: BlobStore, settings: IngestSettings, *, ours: Callable[[], Awaitable[None]]) -> None:
        """`ours` raises what keeps this service from taking anything at present."""
        self._ours = ours
        self._store = store
        self._is_open = settings.presigned_uploads
        self._limit = settings.max_bytes

    async def ticket(self, owner: str) -> Ticket:
        """A new address for one image of an owner. Raises NotSupported, StorageUnavailable."""
        if not self._is_open or not self._store.can_presign:
            raise NotSupported(
                "Images cannot be put to the object store here; send them with POST /v1/images. Whoever runs this "
                "Darkroom can set DARKROOM_PRESIGNED_UPLOADS where the store is s3, gs or az."
            )
        await self._ours()
        key = f"{_folder(owner)}{uuid_utils.uuid7()}"
        expires = int(time.time()) + _SECONDS
        url = await self._store.presign_async(key, _SECONDS, method="PUT")
        return Ticket(source=key, url=url, expires=datetime.fromtimestamp(expires, UTC))

    async def take(self, source: str, owner: str) -> Waiting:
        """What lies under a key of an owner.

        Raises InvalidParameter for a key that is not the owner's, SourceNotFound, TooManyBytes, InvalidRequest
        for an empty one, StorageUnavailable.
        """
        is_new = self._is_open and source.startswith(_folder(owner))
        if not is_new and source != blob_key("originals", owner, digest_in(source) or ""):
            raise InvalidParameter(
                f"source is a key that POST {PATH} gave you, or the source of a job of yours of today (UTC).",
                parameter="source",
            )
        blob = await self._store.head_async(check_key(source))
        if blob is None:
            raise SourceNotFound("There is no image under this source; put its bytes to the url that came with it.")
        if blob.size > self._limit:
            raise too_many_bytes(self._limit)
        if not blob.size:
            raise InvalidRequest("The image is empty.")
        return Waiting(blob.size, blob.etag, is_new)


def add_inbox(app: FastAPI, inbox: Inbox) -> None:
    """Serve POST /v1/uploads."""

    @app.post(
        PATH,
        status_code=201,
        summary="Ask where to put an image",
        tags=["images"],
        response_model=Ticket,
        responses=problems.described(NotSupported, Unauthorized, Forbidden, RateLimited, StorageUnavailable),
    )
    async def create(request: Request) -> Ticket:
        """An address at the object store, so that the bytes of an image need not pass here.

        PUT them there, then send `POST /v1/images?source=…` with the key. What nobody names is left to the rules of the
        bucket.
        """
        return await inbox.ticket(admit(request, "submit").owner)


def _folder(owner: str) -> str:
    return f"{_FOLDER}/{owner}/"
