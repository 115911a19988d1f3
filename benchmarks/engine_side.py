"""A process beside the benchmark that runs cases of benchmarks/engine_cases.py."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from services.process.worker import ENVIRONMENT

ROOT: Final = Path(__file__).parents[1]


class Side:
    """A process that runs cases, with or without our settings of malloc."""

    def __init__(self, *, tuned: bool) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
        environment |= ENVIRONMENT if tuned else {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.engine_cases"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def run(self, *case: str) -> Any:  # noqa: ANN401 - a number, or the figures of memory
        """Run one case and wait for its figure."""
        self.ask(*case)
        return self.answer()

    def ask(self, *case: str) -> None:
        """Begin a case, so that another side can work at the same time; `answer` must follow."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:  # noqa: ANN401 - as above
        """Wait for the figure of the case that was begun."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
