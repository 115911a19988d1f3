"""Kernels compiled by numba, on demand.

`@kernel(signature)` leaves numba unimported until the first call or `warm_up`, so that the parent of the pool, which
needs only the parameter models, stays small. Machine code is cached on disk, keyed by source and CPU.
"""

import os
import tempfile
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

_EVERY: "list[Kernel[Any, Any]]" = []


class Kernel(Generic[_P, _R]):
    """A Python function on arrays and numbers that is compiled before it first runs."""

    def __init__(self, function: Callable[_P, _R], signatures: tuple[str, ...]) -> None:
        self.python = function
        self.signatures = signatures
        self._compiled: Callable[_P, _R] | None = None
        update_wrapper(self, function)

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return (self._compiled or self.compile())(*args, **kwargs)

    def compile(self) -> Callable[_P, _R]:
        """Compile, or load from the cache; without bounds checks, so callers pass arrays that fit."""
        numba_cache()
        import numba  # noqa: PLC0415 - see the top of this module

        build = numba.njit(
            list(self.signatures), nogil=True, cache=True, boundscheck=False, error_model="numpy", fastmath=False
        )
        self._compiled = build(self.python)
        return self._compiled


def kernel(*signatures: str) -> Callable[[Callable[_P, _R]], Kernel[_P, _R]]:
    """Declare a kernel with explicit numba signatures, for example `"void(uint8[::1], uint8[::1])"`."""

    def declare(function: Callable[_P, _R]) -> Kernel[_P, _R]:
        made = Kernel(function, signatures)
        _EVERY.append(made)
        return made

    return declare


def warm_up() -> int:
    """Compile or load every kernel declared so far; returns how many there are."""
    for made in _EVERY:
        made.compile()
    return len(_EVERY)


def numba_cache() -> Path:
    """The folder of compiled kernels, made if need be; NUMBA_CACHE_DIR overrules it.

    The cache is code that gets executed, so a folder that others could write to is never taken.
    """
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given)
    chosen = next((folder for folder in _candidates() if _usable(folder)), None)
    if chosen is None:
        chosen = Path(tempfile.mkdtemp(prefix="darkroom-numba-"))
    os.environ["NUMBA_CACHE_DIR"] = str(chosen)
    return chosen


def _candidates() -> list[Path]:
    folders = []
    if base := os.environ.get("XDG_CACHE_HOME"):
        folders.append(Path(base))
    if os.environ.get("HOME"):
        folders.append(Path.home() / ".cache")
    return [
        *(folder / "darkroom" / "numba" for folder in folders),
        _temporary(),
    ]


def _temporary() -> Path:
    return Path(tempfile.gettempdir(), f"darkroom-{os.getuid()}")


def _usable(folder: Path) -> bool:
    """Whether the folder is there or can be made, is ours alone to write, and is writable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except OSError:
        return False
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o022 and os.access(folder, os.W_OK | os.X_OK)
