"""The work that benchmarks/engine.py times: each case has our way and another way to the same picture."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from services.process import child, codec, encoder
from services.process.chain import run_chain, scaled_first
from services.process.filters import read_chain
from services.process.header import read_header
from services.process.limits import Limits
from services.process.picture import Picture
from services.process.pipeline import develop
from services.process.registry import Filter, Parameters
from services.process.request import Request
from shared.blobs import BlobStore

Work = Callable[[], object]

EIGHT: Final = ("grayscale", "blur", "edge", "sharpen", "emboss", "sepia", "negative", "brighten")
#: Jobs of the case `many`.
MANY: Final = 40
LIMITS: Final = Limits(pixels=200_000_000)
SEPIA: Final = np.array([[0.131, 0.534, 0.272], [0.168, 0.686, 0.349], [0.189, 0.769, 0.393]], np.float32)
SHARPEN: Final = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
EMBOSS: Final = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)

#: The best OpenCV call for each filter.
OPENCV: Final[dict[str, Callable[[Any], Any]]] = {
    "grayscale": lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),
    "blur": lambda image: cv2.GaussianBlur(image, (9, 9), 0),
    "edge": lambda image: cv2.Canny(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 75, 150),
    "sharpen": lambda image: cv2.filter2D(image, -1, SHARPEN),
    "emboss": lambda image: cv2.filter2D(image, -1, EMBOSS),
    "sepia": lambda image: cv2.transform(image, SEPIA),
    "negative": cv2.bitwise_not,
    "brighten": lambda image: cv2.add(image, (40, 40, 40, 0)),
}
#: Chains of four pointwise filters: tones only, and tones with a filter that mixes channels.
CHAINS: Final[dict[str, list[dict[str, object]]]] = {
    "tones": [{"name": "brighten"}, {"name": "contrast"}, {"name": "negative"}, {"name": "brighten"}],
    "mixed": [{"name": "brighten"}, {"name": "contrast"}, {"name": "negative"}, {"name": "sepia"}],
}


class Cases:
    """Every case for one JPEG file. Names are `kind:filter`; `ours` and `theirs` give the work to time."""

    def __init__(self, photo: Path) -> None:
        self.data = photo.read_bytes()
        self.view = memoryview(self.data)
        self.header = read_header(self.view)
        self.image = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR)
        self.copy = np.empty_like(self.image)
        self.folder = tempfile.TemporaryDirectory()
        self.store = BlobStore(f"file://{self.folder.name}/blobs")
        self.store.put("inbox/photo", self.data)
        self.count = 0

    def ours(self, kind: str, name: str) -> Work:
        """Our way; a kernel gets its own copy of the pixels, because the engine may write over what it decoded."""
        chain = read_chain(CHAINS.get(name, [{"name": name or "negative"}]))
        if kind in ("kernel", "copy", "chain"):
            image = self.image.copy()
            return lambda: run_chain(Picture(image), chain, LIMITS)
        return {
            "memory": lambda: self._in_memory(chain),
            "thumbnail": self._thumbnail,
            "file": lambda: self._file(name),
            "many": lambda: [self._file(name) for _ in range(MANY)],
        }[kind]

    def theirs(self, kind: str, name: str) -> Work:
        """The other way: OpenCV, or a plain copy of memory."""
        if kind == "kernel":
            return lambda: OPENCV[name](self.image)
        if kind == "copy":
            return lambda: np.copyto(self.copy, self.image)
        return {
            "chain": lambda: self._four_calls(name),
            "memory": lambda: self._opencv(OPENCV[name]),
            "thumbnail": self._full_then_resize,
        }[kind]

    def _in_memory(self, chain: Sequence[tuple[Filter, Parameters]]) -> object:
        picture = codec.decode(self.view, self.header, LIMITS).frames[0]
        return encoder.encode(run_chain(picture, chain, LIMITS), encoder.Recipe("jpeg"))

    def _file(self, name: str) -> object:
        self.count += 1
        # another owner each time, so that nothing is answered from the store
        request = Request(
            job_id="0-a", source="inbox/photo", owner=f"o{self.count}", filters=[{"name": name}], limits=LIMITS
        )
        report = develop(request, self.store)
        if report.error or report.cached:
            raise RuntimeError(report)
        return report

    def _thumbnail(self) -> object:
        chain = read_chain([{"name": "resize", "width": self.header.width // 4}])
        chain, size = scaled_first(chain, (self.header.width, self.header.height))
        return run_chain(codec.decode(self.view, self.header, LIMITS, size).frames[0], chain, LIMITS)

    def _full_then_resize(self) -> object:
        image = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR)
        size = (self.header.width // 4, self.header.height // 4)
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    def _four_calls(self, name: str) -> object:
        image = cv2.add(self.image, (40, 40, 40, 0))
        image = cv2.convertScaleAbs(image, alpha=1.3, beta=-38.4)
        image = cv2.bitwise_not(image)
        return cv2.transform(image, SEPIA) if name == "mixed" else cv2.add(image, (40, 40, 40, 0))

    def _opencv(self, call: Callable[[Any], Any]) -> object:
        image = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR)
        return cv2.imencode(".jpg", call(image), [cv2.IMWRITE_JPEG_QUALITY, 90])


def peak(photo: Path, name: str) -> dict[str, float]:
    """Bytes per pixel above an idle child that one job takes at its peak, and what it keeps afterwards (Linux)."""
    cases = Cases.__new__(Cases)
    cases.view = memoryview(photo.read_bytes())
    cases.header = read_header(cases.view)
    Path("/proc/self/clear_refs").write_text("5")
    idle = child.resident()
    cases._in_memory(read_chain([{"name": name}]))  # noqa: SLF001 - the same work, without the second copy
    high = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    pixels = cases.header.width * cases.header.height
    return {"peak": (int(high.split()[1]) * 1024 - idle) / pixels, "kept": (child.resident() - idle) / pixels}


def serve() -> None:
    """Time what is asked for on standard input, one JSON array a line; answers are nanoseconds of CPU time."""
    child.warm_up()
    cv2.setNumThreads(1)
    known: dict[str, Cases] = {}
    works: dict[str, Work] = {}
    for line in sys.stdin:
        side, photo, kind, name = json.loads(line)
        if kind == "peak":
            answer: object = peak(Path(photo), name)
        else:
            if line not in works:
                if photo not in known:
                    known[photo] = Cases(Path(photo))
                works[line] = getattr(known[photo], side)(kind, name)
            # pixels that were just decoded are in the cache, so each timed run follows one that is not
            if kind != "many":
                works[line]()
            start = time.process_time_ns()
            works[line]()
            answer = time.process_time_ns() - start
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
