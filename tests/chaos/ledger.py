"""What was promised: every job that was accepted, and what it must come to."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Promise:
    job_id: str
    #: What it may come to: `done`, `cancelled`, `deleted`, or the code of a failure. More than one only where a client
    #: asked to cancel it and got no answer.
    expected: frozenset[str]
    twin: str
    #: Whether somebody asked to cancel it: what the worker tells of that run may then have come too late to count.
    doubted: bool = False


@dataclass(slots=True)
class Whole:
    """A batch of jobs, each sent with a request of its own, whose end is told by a webhook."""

    batch_id: str
    jobs: list[str] = field(default_factory=list)
    #: How many of its jobs were run again, and completed it again.
    retries: int = 0


@dataclass(slots=True)
class Ledger:
    """Filled by the senders, read by the audit."""

    promises: list[Promise] = field(default_factory=list)
    batches: list[Whole] = field(default_factory=list)
    #: Requests refused with 503 or whose connection broke, which were sent again.
    retried: int = 0
    #: Answers that no client should ever see.
    errors: list[str] = field(default_factory=list)
    #: Stream and id of entries that were no events, and of those of them whose dead letter somebody replayed.
    nonsense: list[str] = field(default_factory=list)
    replayed: set[str] = field(default_factory=set)
    #: Entries whose XADD got no reply: they may be there or not.
    unknown: int = 0
