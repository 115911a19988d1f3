"""Errors as a person at a command line should read them."""

from typing import Final

from clients.errors import Unreachable, WrongUsage, code_of
from clients.program import program
from shared.errors import DarkroomError, InvalidParameter, InvalidRequest, UnknownFilter

_FAILED: Final = 1
_USAGE: Final = 2


def to_follow(batch: str) -> str:
    """How to see what becomes of pictures that nobody waits for here."""
    return f"Follow them with '{program()} watch --batch {batch}'."


def to_look_at(batch: str) -> str:
    """How to see a batch again that was waited for."""
    return f"See them again with '{program()} status --batch {batch}'."


def interrupted(batch: str | None) -> str:
    """What Ctrl-C leaves behind; `batch` once there is a job of it."""
    goes_on = "Interrupted; the same command goes on where this one stopped."
    return goes_on if batch is None else f"{goes_on}\n{to_follow(batch)}"


def explain(error: Exception) -> tuple[str, int] | None:
    """What to say and the exit code; none for an error that nobody foresaw, which is shown whole."""
    if isinstance(error, Unreachable):
        return (
            f"{error}\nStart it with '{program()} up', or name another address with --url or DARKROOM_URL.",
            _FAILED,
        )
    if isinstance(error, UnknownFilter | InvalidParameter | InvalidRequest):
        listing = "filters --presets" if error.details.get("parameter") == "preset" else "filters"
        return f"{error.message}\nSee '{program()} {listing}'.", _USAGE
    if isinstance(error, DarkroomError):
        return f"{error.message} ({code_of(error)})", _FAILED
    if isinstance(error, WrongUsage):
        return str(error), _USAGE
    if isinstance(error, OSError):
        return str(error), _FAILED
    return None
