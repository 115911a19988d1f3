"""What shells offer after a Tab: presets, and filters with their parameters as the service has them.

Only the standard library is used, because a Tab must not wait.
"""

import json
import os
import re
import sys
import urllib.request
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

_URL: Final = "http://127.0.0.1:8080"
_PRESETS: Final = Path(__file__).parent.parent / "services" / "ingest" / "web" / "presets.json"
#: Seconds that a Tab waits for the service.
_PATIENCE: Final = 0.5


#: How scripts of these shells say the first word of the line.
_FIRST_WORD: Final = {"zsh": "${~words[1]}", "fish": "(commandline -po)[1]"}

#: Where bash ends a word (COMP_WORDBREAKS), of what chains have in them.
_BREAKS: Final = frozenset(":=")


def in_bash(answer: Callable[[], object]) -> None:
    """Let `answer` print what a bash asks for, whose words end at every `:` and `=`.

    The words are put together again before, and of each answer bash gets what replaces its own, last word.
    """
    words = os.environ["COMP_WORDS"].split("\n")[: int(os.environ["COMP_CWORD"]) + 1]
    whole = words[:1]
    for word in words[1:]:
        if word and (set(word) <= _BREAKS or whole[-1][-1:] in _BREAKS):
            whole[-1] += word
        else:
            whole.append(word)
    value = whole[-1].partition("=")[2] if whole[-1].startswith("--") else whole[-1]
    known = value[: max(value.rfind(mark) for mark in _BREAKS) + 1]
    os.environ |= {"COMP_WORDS": "\n".join(whole), "COMP_CWORD": str(len(whole) - 1)}
    answers = StringIO()
    try:
        with redirect_stdout(answers):
            answer()
    finally:
        sys.stdout.writelines(f"{line.removeprefix(known)}\n" for line in answers.getvalue().splitlines())


def call_what_was_typed() -> None:
    """Let the scripts for zsh and fish ask the program that was typed, as that for bash does.

    A shell takes them for `./darkroom` as well, by its last part, but a checkout need not be on PATH.
    """
    from typer import _completion_shared  # noqa: PLC0415 - only a shell that is taught needs it

    scripts: dict[str, str] = _completion_shared._completion_scripts  # noqa: SLF001 - typer has no other place for it
    for shell, word in _FIRST_WORD.items():
        asking = re.compile(rf"(complete_{shell} [^\n]*?)%\(prog_name\)s(?=[)\"])")
        scripts[shell] = asking.sub(rf"\g<1>{word}", scripts[shell])


def complete_preset(incomplete: str) -> list[tuple[str, str]]:
    """Presets that begin so, each with its summary."""
    known = json.loads(_PRESETS.read_text("utf-8"))
    return [(preset["name"], preset["summary"]) for preset in known if preset["name"].startswith(incomplete)]


def complete_filter(incomplete: str) -> list[tuple[str, str]]:
    """Ways to go on with the last filter of a chain: its name, or its next parameter."""
    chain, comma, last = incomplete.rpartition(",")
    before = chain + comma
    name, *assignments = last.split(":")
    offered = _offered()
    if not assignments:
        return [(before + one["name"], one["summary"]) for one in offered if one["name"].startswith(name)]
    *given, started = assignments
    schema: dict[str, Any] = next((one["parameters"] for one in offered if one["name"] == name), {})
    taken = {assignment.partition("=")[0] for assignment in given}
    stem = before + ":".join([name, *given])
    return [
        (f"{stem}:{parameter}=", str(about.get("description", "")))
        for parameter, about in schema.get("properties", {}).items()
        if parameter.startswith(started) and parameter not in taken
    ]


def _offered() -> list[dict[str, Any]]:
    """The service's filters; none when it does not answer at once, for a Tab is no place for messages."""
    url = os.environ.get("DARKROOM_URL", _URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        return []
    try:
        with urllib.request.urlopen(f"{url}/v1/filters", timeout=_PATIENCE) as answer:  # noqa: S310 - http as checked
            filters: list[dict[str, Any]] = json.load(answer)["filters"]
    except (OSError, ValueError, KeyError):
        return []
    return filters
