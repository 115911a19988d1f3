"""Errors as a person at a command line should read them."""

from typing import Final

from clients.errors import Unreachable, WrongUsage, code_of
from shared.errors import DarkroomError, InvalidParameter, InvalidRequest, UnknownFilter

_FAILED: Final = 1
_USAGE: Final = 2


def explain(error: Exception) -> tuple[str, int] | None:
    """What to say and the exit code; none for an error that nobody foresaw, which is shown whole."""
    if isinstance(error, Unreachable):
        return (
            f"{error}\nStart it with 'darkroom up', or name another address with --url or DARKROOM_URL.",
            _FAILED,
        )
    if isinstance(error, UnknownFilter | InvalidParameter | InvalidRequest):
        return f"{error.message}\nSee 'darkroom filters'.", _USAGE
    if isinstance(error, DarkroomError):
        return f"{error.message} ({code_of(error)})", _FAILED
    if isinstance(error, WrongUsage):
        return str(error), _USAGE
    if isinstance(error, OSError):
        return str(error), _FAILED
    return None
