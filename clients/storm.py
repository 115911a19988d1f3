"""Running the storm of the project's tests (tests/chaos) by hand."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clients.errors import WrongUsage

_ROOT: Final = Path(__file__).parent.parent


def run(arguments: Sequence[str]) -> int:
    """Run one storm and return its exit code."""
    if not (_ROOT / "tests" / "chaos").is_dir():
        raise WrongUsage("The storm is part of the project's checkout; run it as ./darkroom chaos there.")
    command = [sys.executable, "-m", "tests.chaos.driver", *arguments]
    return subprocess.run(command, cwd=_ROOT, check=False).returncode  # noqa: S603 - our own program
