"""What was promised: every job that was accepted, and what it must come to."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Promise:
    job_id: str
    expected: str
    twin: str
    #: Seconds of the driver's clock when it was accepted.
    at: float


@dataclass(slots=True)
class Ledger:
    """Filled by the senders, read by the audit."""

    promises: list[Promise] = field(default_factory=list)
    #: Requests refused with 503 or whose connection broke, which were sent again.
    retried: int = 0
    #: Answers that no client should ever see.
    errors: list[str] = field(default_factory=list)
    #: Stream and id of entries that were no events.
    nonsense: list[str] = field(default_factory=list)
    #: Entries whose XADD got no reply: they may be there or not.
    unknown: int = 0
