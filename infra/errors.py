"""What keeps the stack on this machine from starting."""

from typing import ClassVar


class CannotStart(Exception):
    """The stack did not come up; the message says why and what to do, the exit code is for scripts."""

    exit_code: ClassVar[int] = 1


class WrongUsage(CannotStart):
    """Something that the caller chose cannot be had: a port that is taken, a data directory in use."""

    exit_code = 2
