"""Fetching pictures: from the service, or from the object store that it names.

Where presigned downloads are on, the service answers with an address at the store that is good for some minutes. It
is asked with nothing but that address: the API key is the service's alone, and the address, which opens the picture to
whoever has it, is in no message.
"""

from typing import Final
from urllib.parse import urlsplit

import httpx

from clients.calls import Call, Send, answered
from clients.errors import Unreachable
from shared.errors import DarkroomError, Expired, StorageUnavailable

#: What a store says of an object that it does not have.
_GONE: Final = (httpx.codes.NOT_FOUND, httpx.codes.GONE)


def downloaded(request: Send, *, url: str, retry_for: float) -> Call[httpx.Response]:
    """The answer that has the bytes. `request` is one that may be led away.

    Raises as `answered` does, StorageUnavailable when it is the store that does not hand them out, and Expired when it
    does not have them any more.
    """
    response = yield from answered(request, url=url, retry_for=retry_for)
    if not response.is_redirect:
        return response
    address = str(response.headers.get("Location", ""))
    store = urlsplit(address)
    if store.scheme not in ("http", "https") or not store.hostname:
        raise StorageUnavailable("The service named no address for this picture.")
    try:
        away = Send("GET", address, into=request.into, at_store=True)
        return (yield from answered(away, url=f"{store.scheme}://{store.netloc}", retry_for=retry_for))
    except Unreachable as error:
        raise StorageUnavailable(f"The object store at {store.hostname} does not answer: {error.reason}") from error
    except DarkroomError as error:
        status = error.details.get("status")
        if status in _GONE:
            raise Expired("The bytes of this job are no longer kept.") from error
        raise StorageUnavailable(f"The object store at {store.hostname} answered {status}.") from error
