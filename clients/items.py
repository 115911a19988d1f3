"""One picture of a command, from its file to its result."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from clients.inputs import Input, Refused
from clients.models import Job

ItemState = Literal["waiting", "uploading", "queued", "processing", "saving", "done", "failed", "cancelled", "deleted"]


@dataclass(slots=True)
class Item:
    """`path` is where the result goes; none means nowhere, or standard output.

    `job_id` and `batch` are known once it is accepted.
    """

    index: int
    shown: str
    input: Input | None = None
    path: Path | None = None
    state: ItemState = "waiting"
    job_id: str | None = None
    batch: str | None = None
    job: Job | None = None
    output: str | None = None
    error: dict[str, str] | None = None
    #: Whether the job itself has ended, though its result may still be on its way here.
    settled: bool = field(default=False)

    @classmethod
    def refused(cls, index: int, refused: Refused) -> "Item":
        """An item that failed before it was sent."""
        return cls(
            index, refused.shown, state="failed", error={"code": "unsupported_media", "message": refused.message}
        )

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled", "deleted")

    def fail(self, code: str, message: str) -> None:
        self.state = "failed"
        self.error = {"code": code, "message": message}

    def document(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        job = self.job.document if self.job else None
        return {
            "file": self.shown,
            "state": self.state,
            "id": self.job_id,
            "batch": self.batch,
            "output": self.output,
            "error": self.error,
            "job": job,
        }

    def line(self) -> str:
        """What a person reads of it at its end."""
        if self.error is not None:
            return f"{self.state:<9} {self.shown}: {self.error['message']} ({self.error['code']})"
        seconds = self.job.seconds if self.job else None
        took = "" if seconds is None else f"  {seconds:.2f} s"
        where = self.output or self.job_id or ""
        return f"{self.state:<9} {self.shown} -> {where}{took}"
