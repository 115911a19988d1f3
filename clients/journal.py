"""What was already uploaded, so that the same command resumes after Ctrl-C.

One small file per command under way, in the user's state folder; it is removed when all its uploads are answered and
waited for. Each line is JSON: first the batch, then one line per accepted request.
"""

import os
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from clients.inputs import Input
from shared.keys import IDEMPOTENCY_TTL

_FOLDER_VARIABLE: Final = "DARKROOM_STATE_DIR"


class _Head(msgspec.Struct, frozen=True):
    batch: str
    started: float


class _Line(msgspec.Struct, frozen=True):
    request: str
    jobs: list[str]


class Journal:
    """The uploads of one command. `batch` is its batch."""

    def __init__(self, path: Path | None, head: _Head, accepted: dict[str, list[str]]) -> None:
        self.batch = head.batch
        self._path = path
        self._head = head
        self._accepted = accepted

    @classmethod
    def open(cls, command: Sequence[object], inputs: Sequence[Input]) -> "Journal":
        """The journal of a command with these options and pictures, the earlier one when that was cut short.

        Where the state folder cannot be written, nothing is remembered.
        """
        _sweep(_folder())
        path = _folder() / f"{_digest(command, inputs)}.jsonl"
        known = _read(path)
        if known is not None:
            return cls(path, *known)
        journal = cls(path, _Head(f"cli-{uuid4().hex}", time.time()), {})
        journal._start()
        return journal

    def key(self, request: str) -> str:
        """The idempotency key of one request of this command."""
        return f"{self.batch}-{request}"

    def jobs_of(self, request: str) -> list[str] | None:
        """The jobs that an earlier run got for a request."""
        return self._accepted.get(request)

    def any_job(self) -> str | None:
        """A job that was accepted, in this run or an earlier one; none before there was any."""
        return next((job for jobs in self._accepted.values() for job in jobs), None)

    def accepted(self, request: str, jobs: list[str]) -> None:
        """Remember the answer to one request."""
        self._accepted[request] = jobs
        self._append(_Line(request, jobs))

    def restart(self) -> None:
        """Forget an earlier run whose jobs the service no longer knows."""
        self._head = _Head(f"cli-{uuid4().hex}", time.time())
        self.batch, self._accepted = self._head.batch, {}
        self._start()

    def close(self) -> None:
        """All is done: the same command starts anew next time."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _start(self) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(msgspec.json.encode(self._head) + b"\n")
        except OSError:
            self._path = None

    def _append(self, line: _Line) -> None:
        if self._path is not None:
            with self._path.open("ab") as file:
                # A line end first: the line before may have been cut short.
                file.write(b"\n" + msgspec.json.encode(line))


def _read(path: Path) -> tuple[_Head, dict[str, list[str]]] | None:
    """An earlier journal; none when there is none, it is damaged or the service has forgotten its keys."""
    try:
        first, *lines = path.read_bytes().splitlines()
        head = msgspec.json.decode(first, type=_Head)
    except (OSError, ValueError, msgspec.DecodeError):
        return None
    if time.time() - head.started > IDEMPOTENCY_TTL:
        return None
    entries = [entry for line in lines if (entry := _entry(line)) is not None]
    return head, {entry.request: entry.jobs for entry in entries}


def _sweep(folder: Path) -> None:
    """Remove the journals that are too old to resume."""
    for path in folder.glob("*.jsonl"):
        try:
            if time.time() - path.stat().st_mtime > IDEMPOTENCY_TTL:
                path.unlink()
        except FileNotFoundError:
            continue  # Another command swept it.


def _entry(line: bytes) -> _Line | None:
    """One line; none when it was cut short, and its request is sent again under the same key."""
    try:
        return msgspec.json.decode(line, type=_Line)
    except msgspec.DecodeError:
        return None


def _folder() -> Path:
    if chosen := os.environ.get(_FOLDER_VARIABLE):
        return Path(chosen)
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "darkroom" / "state"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "darkroom"


def _digest(command: Sequence[object], inputs: Sequence[Input]) -> str:
    """A name for the command: its options, and each picture with its size and time of change, or its address."""
    digest = sha256(repr(command).encode())
    for one in inputs:
        content = one.image.content
        if one.url is not None:
            digest.update(f"{one.url}\0".encode())
            continue
        if isinstance(content, bytes):
            digest.update(sha256(content).digest())
            continue
        facts = content.stat()
        digest.update(f"{content.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]
