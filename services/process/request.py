"""What the service asks of the engine, and what it gets back. Small and picklable: both cross a process border."""

from typing import Any

import msgspec

from services.process.limits import Limits
from shared.events import Failure, FilterSpec, Output, Result


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Develop the blob `source` through `filters` and store it, as `output` says, under the results of `owner`."""

    job_id: str
    source: str
    owner: str
    filters: list[FilterSpec] = []
    output: Output = Output()
    limits: Limits = Limits()

    @property
    def work(self) -> tuple[Any, ...]:
        """What makes two requests the same work, whatever their job is."""
        return (
            self.source,
            self.owner,
            msgspec.json.encode(self.filters, order="sorted"),
            msgspec.json.encode(self.output),
            self.limits,
        )


class Step(msgspec.Struct, frozen=True):
    """One step of a development and when it ran, in nanoseconds since the epoch."""

    name: str
    start_ns: int
    end_ns: int

    @property
    def milliseconds(self) -> float:
        return (self.end_ns - self.start_ns) / 1e6


class Source(msgspec.Struct, frozen=True):
    """What is known of a source: SHA-256, size in bytes, media type, width and height in pixels as stored.

    The last three are unset until the header was read.
    """

    sha256: str
    bytes: int
    media_type: str | None = None
    width: int | None = None
    height: int | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one request: a result or an error, never both.

    `retryable` says that the same request can succeed later. `cached` says that the result was stored already.
    """

    result: Result | None = None
    error: Failure | None = None
    retryable: bool = False
    steps: list[Step] = []
    #: The filters that the step `filters` ran, each by its name.
    filters: list[Step] = []
    source: Source | None = None
    cached: bool = False
