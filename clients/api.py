"""The HTTP API from Python: `Client`, and `AsyncClient` with the same methods to await.

    with Client() as darkroom:
        submitted = darkroom.submit(["cat.jpg", "dog.jpg"], filters="sepia,blur:size=9")
        for job in darkroom.wait_all(submitted):
            darkroom.save_result(job.id, Path(f"{job.id}.jpg"))

Both raise the service's own errors (`shared.errors`), and `Unreachable` when it does not answer. Refusals that ask
to come back later are waited out for `retry_for` seconds.
"""

from clients.asynchronous import AsyncClient
from clients.base import DEFAULT_URL, URL_VARIABLE
from clients.calls import UploadOptions
from clients.errors import Unreachable, WaitTimedOut, code_of
from clients.models import (
    Accepted,
    Batch,
    DeadLetter,
    FilterDocument,
    Job,
    Moment,
    Queue,
    SharedLink,
    Submitted,
    WholeDeadLetter,
)
from clients.multipart import Image
from clients.synchronous import Client

__all__ = [
    "DEFAULT_URL",
    "URL_VARIABLE",
    "Accepted",
    "AsyncClient",
    "Batch",
    "Client",
    "DeadLetter",
    "FilterDocument",
    "Image",
    "Job",
    "Moment",
    "Queue",
    "SharedLink",
    "Submitted",
    "Unreachable",
    "UploadOptions",
    "WaitTimedOut",
    "WholeDeadLetter",
    "code_of",
]
