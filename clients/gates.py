"""The checks that gate a change, as `darkroom test` runs them."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

ROOT: Final = Path(__file__).parent.parent
_LINT: Final = (
    ("style", ("ruff", "check", ".")),
    ("format", ("ruff", "format", "--check", ".")),
    ("types", ("mypy",)),
)


def run(pytest_arguments: Sequence[str], *, lint: bool) -> int:
    """Run every gate, show each outcome, and return 0 only when all passed."""
    gates = [*(_LINT if lint else ()), ("tests", ("pytest", *pytest_arguments))]
    environment = os.environ.copy()
    if environment.get("CI", "").lower() in ("1", "true"):
        environment.setdefault("DARKROOM_REQUIRE_ALL", "1")
    console = Console()
    outcomes: list[tuple[str, int, float]] = []
    for name, command in gates:
        console.rule(f"{name}: {' '.join(command)}")
        started = time.monotonic()
        code = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - our own tools
        outcomes.append((name, code, time.monotonic() - started))
        if code < 0 or code == _INTERRUPTED:
            break
    console.rule()
    for name, code, seconds in outcomes:
        verdict = "[green]passed[/]" if code == 0 else f"[red]failed[/] (exit code {code})"
        console.print(f"{name:<8}{verdict}  {seconds:.1f} s", highlight=False)
    return 0 if all(code == 0 for _, code, _ in outcomes) else 1


#: How pytest says that it was interrupted.
_INTERRUPTED: Final = 2
