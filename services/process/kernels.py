"""Kernels compiled by numba, on demand.

`@kernel(signature)` leaves numba unimported until the first call or `warm_up`, so that the parent of the pool, which
needs only the parameter models, stays small. Machine code is cached on disk, keyed by source and CPU.

What makes the compiler use vector instructions, found by measuring and kept to by every kernel here:

- flat arrays, and within a loop only slices of equal length indexed by the bare loop variable;
- a cast after every operation, because numba widens small integers to 64 bits;
- `//` by a constant power of two in place of `>>`, which numba widens as well; of an unsigned number if that
  does not widen the sum, because rounding a signed one down takes eight instructions more;
- no branch inside the loop: minimum, maximum and masks;
- interleaved BGR is split into three planes, a block of `BLOCK` pixels at a time, in a loop that does nothing else;
- rows that are written and read again start on a 64-byte line.
"""

import os
import tempfile
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from types import FunctionType
from typing import Any, Final, Generic, ParamSpec, TypeAlias, TypeVar

#: Pixels that are split into planes at a time: the planes stay in the first-level cache.
BLOCK: Final = 1024

#: A number, of the type that the kernel's signature names.
Scalar: TypeAlias = Any

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
        if self._compiled is not None:
            return self._compiled
        numba_cache()
        import numba  # noqa: PLC0415 - see the top of this module

        build = numba.njit(
            list(self.signatures),
            nogil=True,
            cache=True,
            boundscheck=False,
            error_model="numpy",
            fastmath={"contract"},
        )
        self._compiled = build(_linked(self.python))
        return self._compiled


def kernel(*signatures: str) -> Callable[[Callable[_P, _R]], Kernel[_P, _R]]:
    """Declare a kernel with explicit numba signatures, for example `"void(uint8[::1], uint8[::1])"`."""

    def declare(function: Callable[_P, _R]) -> Kernel[_P, _R]:
        made = Kernel(function, signatures)
        _EVERY.append(made)
        return made

    return declare


def _linked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A copy of a function that sees the compiled form of the kernels of its own module."""
    if not isinstance(function, FunctionType):
        raise TypeError("a kernel is made from a plain function")
    used = {name: value for name, value in function.__globals__.items() if name in function.__code__.co_names}
    compiled = {name: value.compile() for name, value in used.items() if isinstance(value, Kernel)}
    if not compiled:
        return function
    copy = FunctionType(function.__code__, {**function.__globals__, **compiled}, function.__name__)
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


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
