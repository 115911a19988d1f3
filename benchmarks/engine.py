"""The engine against OpenCV and against the C++ program that it replaces.

    .venv/bin/python -m benchmarks.engine [SECTION …] [--photo FILE] [--rounds N] [--write docs/performance.md]

Sections: kernels, stock, malloc, peer, memory, scaling, growth; all when none is named. The peer is built by
`cmake -S benchmarks/peers/cpp -B .cache/peers/cpp -DCMAKE_BUILD_TYPE=Release && cmake --build .cache/peers/cpp`.

Figures are medians of interleaved rounds (`scaling`, in wall time, has the best of them): each round runs every side
of every case once, so that what else the machine does hits all sides alike. Times are CPU times; the sides run in
processes of their own, which differ in the settings of malloc: `ours` and `same malloc` have those of the pool's
children, `stock` has none.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import cv2
import skimage

from benchmarks.engine_cases import EIGHT
from benchmarks.engine_pool import growth, scaling
from benchmarks.engine_side import ROOT, Side

PEER: Final = ROOT / ".cache/peers/cpp/peer"
#: Photos with texture, where Debian's packages of backgrounds are installed; else scikit-image's rocket.
PHOTOS: Final = (
    Path("/usr/share/backgrounds/mate/nature/GreenMeadow.jpg"),
    Path(skimage.__file__).parent / "data/rocket.jpg",
)
SIZES: Final = {"1 MP": (1152, 868), "12 MP": (4000, 3000)}
#: The least ratio that the project asks for, by case and filter.
KERNELS: Final = {"emboss": 4, "sharpen": 4, "edge": 1.8, "blur": 1.6, "grayscale": 1.3, "sepia": 0.9}
COPIES: Final = {"negative": 0.9, "brighten": 0.8}
STOCK: Final = {"1 MP": 1.2, "12 MP": 1.35}
HEAVY: Final = ("edge", "emboss", "sharpen", "blur")


@dataclass(frozen=True)
class Row:
    """One line of the report: our time and theirs in ms, and the ratio that is asked for."""

    work: str
    size: str
    ours: float
    theirs: float
    least: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours

    def __str__(self) -> str:
        mark = "" if self.ratio >= self.least else " (below)"
        return (
            f"| {self.work} | {self.size} | {self.ours:.2f} | {self.theirs:.2f} | {self.ratio:.2f}{mark} "
            f"| {self.least:g} |"
        )


def make_photos(photo: Path, folder: Path) -> dict[str, Path]:
    """The photo in every size, as a JPEG of quality 90 with 4:2:0."""
    image = cv2.imread(str(photo), cv2.IMREAD_COLOR)
    made = {}
    for name, size in {**SIZES, "50 MP": (8660, 5774)}.items():
        made[name] = folder / f"{name.split()[0]}.jpg"
        cv2.imwrite(
            str(made[name]), cv2.resize(image, size, interpolation=cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
    return made


@dataclass(frozen=True)
class Case:
    """What to time: kind and filter of benchmarks.engine_cases, on a size, against a side."""

    work: str
    kind: str
    name: str
    size: str
    least: float


def kernels(photos: dict[str, Path], rounds: int) -> list[str]:
    """Single filters, a chain and a thumbnail, with the same malloc."""
    cases = [Case("thumbnail to 1/4 against full decode and resize", "thumbnail", "", "12 MP", 2.5)]
    for size in SIZES:
        cases += [Case(f"{n} against the best OpenCV call", "kernel", n, size, least) for n, least in KERNELS.items()]
        cases += [Case(f"{n} against a copy of memory", "copy", n, size, least) for n, least in COPIES.items()]
        cases += [Case("chain of 4 tones against 4 calls", "chain", "tones", size, 2)]
        cases += [Case("chain of 3 tones and sepia against 4 calls", "chain", "mixed", size, 2)]
    return compare(cases, photos, rounds, tuned=True)


def stock(photos: dict[str, Path], rounds: int) -> list[str]:
    """Whole jobs in memory against OpenCV as it comes."""
    cases = [
        Case(f"JPEG → {n} → JPEG against stock OpenCV", "memory", n, size, least)
        for size, least in STOCK.items()
        for n in EIGHT
    ]
    return compare(cases, photos, rounds, tuned=False)


def malloc(photos: dict[str, Path], rounds: int) -> list[str]:
    """Whole jobs in memory against OpenCV with our settings of malloc."""
    cases = [
        Case(f"JPEG → {n} → JPEG against OpenCV, same malloc", "memory", n, size, 1.2 if n in HEAVY else 1.0)
        for size in SIZES
        for n in EIGHT
    ]
    return compare(cases, photos, rounds, tuned=True)


def compare(cases: list[Case], photos: dict[str, Path], rounds: int, *, tuned: bool) -> list[str]:
    """A table of medians of interleaved rounds; `tuned` is whether the other side has our settings of malloc."""
    ours, other = Side(tuned=True), Side(tuned=tuned)
    times: dict[Case, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(rounds):
        for case in cases:
            photo = str(photos[case.size])
            own = ours.run("ours", photo, case.kind, case.name)
            times[case].append((own, other.run("theirs", photo, case.kind, case.name)))
    ours.close()
    other.close()
    return table(
        Row(
            case.work,
            case.size,
            *(statistics.median(column) / 1e6 for column in zip(*times[case], strict=True)),
            case.least,
        )
        for case in cases
    )


def table(rows: Iterable[Row]) -> list[str]:
    head = "| work | size | ours, ms | theirs, ms | times faster | at least |"
    return [head, "|---|---|---|---|---|---|", *map(str, rows)]


def peer(photos: dict[str, Path], rounds: int) -> list[str]:
    """Whole jobs from file to file against the C++ program, started for each job and in a loop."""
    if not PEER.exists():
        return ["The C++ program was not built."]
    side, photo = Side(tuned=True), photos["1 MP"]
    rows = []
    for name in EIGHT:
        ours, spawned, looped = [], [], []
        command = [str(PEER), name, str(photo), str(photo.with_suffix(".peer.jpg"))]
        for _ in range(rounds):
            ours.append(side.run("ours", str(photo), "file", name))
            before = _children()
            subprocess.run(command, check=True)
            spawned.append(_children() - before)
            looped.append(float(subprocess.run([*command, "5"], check=True, capture_output=True, text=True).stdout))
        own = statistics.median(ours) / 1e6
        rows.append(Row(f"job {name} against C++ started per job", "1 MP", own, statistics.median(spawned) * 1e3, 7))
        rows.append(Row(f"job {name} against C++ in a loop", "1 MP", own, statistics.median(looped) / 1e6, 1.2))
    side.close()
    return table(rows)


def _children() -> float:
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory(photos: dict[str, Path], _: int) -> list[str]:
    """Peak bytes per pixel above an idle child; a new process for each, because peaks of heaps stay."""
    lines = ["| peak memory of a job above an idle child | size | bytes per pixel | at most |", "|---|---|---|---|"]
    for size in ("12 MP", "50 MP"):
        for name in EIGHT:
            side = Side(tuned=True)
            found = side.run("", str(photos[size]), "peak", name)
            side.close()
            lines.append(f"| {name} | {size} | {found['peak']:.1f} | 7 |")
    return lines


SECTIONS: Final = {section.__name__: section for section in (kernels, stock, malloc, peer, memory, scaling, growth)}


def conditions(photo: Path, rounds: int) -> str:
    """Machine, versions and photo, which figures mean nothing without."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    machine = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())
    names = ("opencv-python-headless", "numba", "simplejpeg", "numpy")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{os.cpu_count()} cores of {machine}, load {os.getloadavg()[0]:.0f}; Python {platform.python_version()}, "
        f"{packages}; {photo.name}, resized, JPEG quality 90, 4:2:0; {rounds} rounds."
    )


def main() -> None:
    """Print the sections; with --write also put each between its marks in a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", nargs="*", choices=[[], *SECTIONS], default=[])
    parser.add_argument("--photo", type=Path, default=next(path for path in PHOTOS if path.exists()))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", type=Path, help="document with marks such as <!-- kernels --> … <!-- /kernels -->")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = make_photos(options.photo, Path(folder))
        for name in options.section or SECTIONS:
            lines = [conditions(options.photo, options.rounds), "", *SECTIONS[name](photos, options.rounds)]
            print(f"\n{name}", *lines, sep="\n", flush=True)
            if options.write:
                write(options.write, name, lines)


def write(document: Path, name: str, lines: list[str]) -> None:
    before, mark, rest = document.read_text().partition(f"<!-- {name} -->\n")
    after = rest.partition(f"<!-- /{name} -->")[2]
    document.write_text(f"{before}{mark}" + "\n".join(lines) + f"\n<!-- /{name} -->{after}")


if __name__ == "__main__":
    main()
