"""What this program was called, so that its hints can be typed as they are: `./darkroom` in a fresh checkout."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any, Final

NAME: Final = "darkroom"
#: How the launcher in the checkout was called; what this process starts was not called so.
_TYPED: Final = os.environ.pop("DARKROOM_CALLED_AS", "")


def program() -> str:
    """The program as it was typed; its bare name where that is found on PATH, or nobody typed one."""
    typed = _TYPED or sys.argv[0]
    if Path(typed).name != NAME or not Path(typed).exists():
        return NAME
    found = shutil.which(NAME)
    return NAME if found and Path(found).samefile(typed) else quote(typed)


def told_to(command: Any) -> None:  # noqa: ANN401 - typer's own commands are not exported
    """Let the help of all commands name the program as it was typed."""
    typed = program()
    if typed == NAME:
        return
    called = re.compile(rf"(?<![\w./-]){NAME}(?= (?:{'|'.join(command.commands)})\b)")
    for one in _all(command):
        for told in (one, *one.params):
            if getattr(told, "help", None):
                told.help = called.sub(lambda _: typed, told.help)


def _all(command: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _all(below)
