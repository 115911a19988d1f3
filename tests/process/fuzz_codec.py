"""Fuzz target: whatever the bytes, decoding ends in pictures or in a typed error.

    .venv/bin/python -m tests.process.fuzz_codec -max_total_time=300

Starts from the hostile corpus; the longer mode of `.ci/run` runs it. What it finds lands in tests/process/regressions/,
is mended, gets a name that says what it is, and stays: test_hostile.py runs every file of that folder.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["services", "shared", "imagesize"]):
    from services.process import codec, containers
    from services.process.header import read_header
    from services.process.limits import Limits
    from shared.errors import DarkroomError

from tests.process.hostile import corpus

LIMITS = Limits(bytes=1 << 20, pixels=1_000_000, frames=20)
REGRESSIONS = Path(__file__).parent / "regressions"


def decode(data: bytes) -> None:
    """Everything that looks at a file before its pixels are known to be good."""
    view = memoryview(data)
    try:
        header = read_header(view)
        LIMITS.check_pixels(header.width, header.height)
        containers.metadata(header.format, view)
        for frame in codec.decode(view, header, LIMITS, (8, 8)).frames + codec.decode_all(view, header, LIMITS).frames:
            if frame.alpha is not None and frame.alpha.shape != frame.colour.shape[:2]:
                raise AssertionError("alpha and colour differ in size")
    except DarkroomError:
        return


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, (_, data) in enumerate(corpus()):
            if len(data) <= LIMITS.bytes:
                Path(folder, str(number)).write_bytes(data)
        options = [f"-artifact_prefix={REGRESSIONS}/", "-rss_limit_mb=1024", "-timeout=20", "-max_len=65536"]
        atheris.Setup([sys.argv[0], *options, *sys.argv[1:], folder], decode)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
