"""The installed `darkroom` command, run as people and scripts run it."""

import fcntl
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

DARKROOM = Path(sys.executable).with_name("darkroom")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


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
        with self.start_in_terminal(*arguments, columns=columns) as terminal:
            return terminal.end()

    def start_in_terminal(self, *arguments: str | Path, columns: int = 100) -> "Terminal":
        """Start it in a pseudo-terminal that is its own, so that Ctrl-C there reaches it."""
        ours, theirs = pty.openpty()
        environment = {**self.environment, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "30"}
        environment.pop("NO_COLOR", None)
        process = subprocess.Popen(
            self._line(arguments),
            cwd=self.folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one call, which takes no lock
        )
        os.close(theirs)
        return Terminal(process, ours)

    def _line(self, arguments: tuple[str | Path, ...]) -> list[str]:
        return [str(DARKROOM), *map(str, arguments)]


class Terminal:
    """A command that runs in a pseudo-terminal; `descriptor` is our end of it. It does not outlive its block."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._pieces: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._descriptor)

    def wait_for(self, pattern: str, timeout: float = 30) -> None:
        """Read on until what the command has shown matches, whatever colours and movements are in between."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, plain(self._shown)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._descriptor], [], [], left)[0] or not self._read():
                raise AssertionError(f"{pattern!r} was not shown: {plain(self._shown)}")

    def press(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def end(self) -> Outcome:
        """Read all that is shown until the command ends."""
        while self._read():
            pass
        return Outcome(self._process.wait(60), b"", "", self._shown)

    @property
    def _shown(self) -> str:
        return b"".join(self._pieces).decode(errors="replace")

    def _read(self) -> bool:
        """Read what there is; false at the end."""
        try:
            piece = os.read(self._descriptor, 65536)
        except OSError:  # Linux says EIO when the other side of a pseudo-terminal is gone.
            return False
        self._pieces.append(piece)
        return bool(piece)


def plain(shown: str) -> str:
    """What a terminal got without colours and movements of the cursor."""
    return _CONTROL.sub("", shown)
