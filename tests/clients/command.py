"""The installed `darkroom` command, run as people and scripts run it."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DARKROOM = Path(sys.executable).with_name("darkroom")


@dataclass
class Outcome:
    """What a run of the command left. `shown` is what a terminal got, where there was one."""

    code: int
    output: bytes
    errors: str
    shown: str = ""

    @property
    def text(self) -> str:
        return self.output.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What `--json` printed: one document per line."""
        return [json.loads(line) for line in self.lines]


class Command:
    """Runs the command in one folder and environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment}

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", timeout: float = 60) -> Outcome:
        """Run it with pipes for everything."""
        done = subprocess.run(
            self._line(arguments),
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr.decode())

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start it with pipes for its output."""
        return subprocess.Popen(
            self._line(arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def in_terminal(self, *arguments: str | Path, columns: int = 100) -> Outcome:
        """Run it in a pseudo-terminal and return all that it showed there."""
        ours, theirs = pty.openpty()
        environment = {**self.environment, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "30"}
        environment.pop("NO_COLOR", None)
        process = subprocess.Popen(
            self._line(arguments), cwd=self.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        shown = _read_all(ours)
        os.close(ours)
        return Outcome(process.wait(60), b"", "", shown.decode())

    def _line(self, arguments: tuple[str | Path, ...]) -> list[str]:
        return [str(DARKROOM), *map(str, arguments)]


def _read_all(terminal: int) -> bytes:
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says EIO when the other side of a pseudo-terminal is gone.
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)
