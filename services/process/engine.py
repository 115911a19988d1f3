"""The version of the engine: equal versions make equal pixels."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

#: Packages that pixels depend on.
_PACKAGES: Final = ("imagesize", "numba", "numpy", "opencv-python-headless", "simplejpeg")
#: Modules of this package that pixels depend on, beside every filter.
_MODULES: Final = (
    "chain.py", "codec.py", "containers.py", "directory.py", "embed.py", "encoder.py", "header.py", "kernels.py",
    "orientation.py", "output.py", "picture.py", "pipeline.py", "registry.py", "tiff.py", "tones.py",
)  # fmt: skip


@cache
def engine_version() -> str:
    """16 hexadecimal digits of a SHA-256 over the sources and versions that pixels depend on.

    The CPU family counts too: OpenCV and libjpeg-turbo choose other code on another one.
    """
    here = Path(__file__).parent
    digest = hashlib.sha256(platform.machine().encode())
    for package in _PACKAGES:
        digest.update(f"{package}={version(package)};".encode())
    headers = here.parents[1] / "shared/avif.py"
    for source in [headers, *(here / name for name in _MODULES), *sorted((here / "filters").glob("*.py"))]:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


ENGINE_VERSION: Final = engine_version()
