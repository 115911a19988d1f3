"""Following jobs by Server-Sent Events, over any number of broken connections.

Both clients share this state; what differs is only how they read a connection.
"""

import random
import time
from typing import Any, Final

import httpx
from httpx_sse import ServerSentEvent

from clients.calls import LATER, UNKNOWN, reason_of
from clients.errors import Unreachable, WaitTimedOut, from_problem
from clients.models import Batch, Job, decode

#: Seconds without a byte after which a connection counts as broken; the service sends keep-alives well within it.
_SILENCE: Final = 60.0
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0


class Following:
    """Where one reader of events has come to.

    A job document is passed on once per change: after a reconnection the service repeats what may have been missed,
    and what was seen already is dropped by the version in the event's id.
    """

    def __init__(self, url: str, *, within: float | None, retry_for: float) -> None:
        self.url = url
        self.finished = False
        self._last_id: str | None = None
        self._versions: dict[str, int] = {}
        self._until = None if within is None else time.monotonic() + within
        self._retry_for = retry_for
        self._broken_since: float | None = None
        self._failures = 0

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the next connection."""
        return {} if self._last_id is None else {"Last-Event-ID": self._last_id}

    @property
    def timeout(self) -> httpx.Timeout:
        """The time limits of the next read."""
        return httpx.Timeout(10.0, read=max(0.05, min(_SILENCE, self._left())))

    def take(self, event: ServerSentEvent) -> Job | Batch | None:
        """The job that an event tells of, or the batch that is complete; none for what is no news."""
        self._broken_since, self._failures = None, 0
        if event.event == "end":
            self.finished = True
            return _completed(event)
        if not event.data:
            return None  # A comment or a setting of the stream, which is no event (HTML, 9.2.6).
        if event.event != "message":
            return None  # What only a newer service tells.
        job: Job = decode(event.data.encode(), Job)
        version = int(event.id) if event.id.isdecimal() else None
        if version is not None:
            self._last_id = event.id
            if version <= self._versions.get(job.id, -1):
                return None
            self._versions[job.id] = version
        return job

    def refused(self, status: int, body: bytes) -> None:
        """The service answered with an error: try again when it says 'later', else raise it."""
        error = from_problem(status, body)
        if status not in LATER | UNKNOWN:
            raise error
        self._note_outage(error)

    def check_time(self) -> None:
        """Raise WaitTimedOut when the time given for waiting is over."""
        if self._left() <= 0:
            raise WaitTimedOut("The jobs did not finish in time; they go on at the service.")

    def pause_after(self, error: httpx.TransportError | None) -> float:
        """Seconds to wait before connecting again; raises Unreachable when that was tried for long enough."""
        self.check_time()
        # A silent connection is no outage by itself: the next one shows whether there is one.
        if error is not None and not isinstance(error, httpx.ReadTimeout):
            self._note_outage(error)
        self._failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (self._failures - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        return float(max(0.0, min(pause, self._left())))

    def _note_outage(self, error: Exception) -> None:
        now = time.monotonic()
        self._broken_since = self._broken_since or now
        if now - self._broken_since > self._retry_for:
            raise Unreachable(self.url, reason_of(error)) from error

    def _left(self) -> float:
        return float("inf") if self._until is None else self._until - time.monotonic()


def _completed(end: ServerSentEvent) -> Batch | None:
    """The batch whose end it is, if it is complete: that of a job, and of a batch that was deleted, tell of none."""
    data = end.data.encode()
    return decode(data, Batch) if "complete" in decode(data, dict[str, Any]) else None
