"""Finding and running the benchmarks of the project."""

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clients.display import write_lines
from clients.errors import WrongUsage

_ROOT: Final = Path(__file__).parent.parent


def run(name: str | None, arguments: Sequence[str]) -> int:
    """Run one benchmark and return its exit code; without a name list them."""
    known = {path.stem: path for path in sorted((_ROOT / "benchmarks").glob("[a-z]*.py")) if _is_program(path)}
    if name is None:
        write_lines(f"{stem:<16}{_summary(path)}" for stem, path in known.items())
        return 0
    if name not in known:
        raise WrongUsage(f"There is no benchmark {name!r}; there are {', '.join(known) or 'none'}.")
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], cwd=_ROOT, check=False).returncode  # noqa: S603 - our own program


def _is_program(path: Path) -> bool:
    return '__name__ == "__main__"' in path.read_text("utf-8")


def _summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return text.splitlines()[0] if text else ""
