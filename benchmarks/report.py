"""How benchmarks tell what they measured: a table on the terminal, and the same in a marked part of a document."""

import argparse
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path


def arguments(program: str, summary: str, *, rounds: int) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(prog=f"darkroom bench {program}", description=summary)
    parser.add_argument("--rounds", type=int, default=rounds, help="measured runs; figures are their medians")
    parser.add_argument("--write", type=Path, help="document with the marks <!-- NAME --> … <!-- /NAME -->")
    return parser


def conditions(*packages: str) -> str:
    """The machine and the versions that a figure depends on."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{_cores()} cores of {_processor()}; Python {platform.python_version()}, {versions}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]


def tell(name: str, lines: Sequence[str], document: Path | None) -> None:
    """Print the lines, and put them between the marks `name` of a document if one is given."""
    print("\n".join(lines))
    if document is None:
        return
    before, mark, rest = document.read_text("utf-8").partition(f"<!-- {name} -->\n")
    if not mark:
        raise SystemExit(f"{document} has no mark <!-- {name} -->")
    after = rest.partition(f"<!-- /{name} -->")[2]
    document.write_text(f"{before}{mark}" + "\n".join(lines) + f"\n<!-- /{name} -->{after}", "utf-8")


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
