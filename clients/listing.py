"""What `darkroom filters` and `darkroom dead` do."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients.chains import presets
from clients.display import write_json, write_lines
from clients.errors import WrongUsage
from clients.models import DeadLetter
from clients.program import program
from clients.status import wide_console
from clients.synchronous import Client
from shared.errors import Expired, NotFailed, NotFound, UnknownFilter


def list_filters(names: Sequence[str], *, url: str | None, as_json: bool) -> int:
    """List the filters that are offered, or those named. Raises UnknownFilter."""
    with Client(url, retry_for=0) as client:
        offered = {document.name: document for document in client.filters()}
    for name in names:
        if name not in offered:
            raise UnknownFilter(f"There is no filter {name!r}; there are {', '.join(offered)}.")
    console = Console()
    for document in [offered[name] for name in names] or offered.values():
        if as_json:
            write_json(msgspec.to_builtins(document))
            continue
        console.print(Text.assemble((document.name, "bold"), f"  {document.summary}"), soft_wrap=True)
        for name, schema in document.parameters.get("properties", {}).items():
            console.print(f"    {name}={_range(schema)}", highlight=False, markup=False, soft_wrap=True)
    return 0


def list_presets(*, as_json: bool) -> int:
    """List the named chains."""
    for preset in presets():
        if as_json:
            write_json(msgspec.to_builtins(preset))
        else:
            write_lines([f"{preset.name:<12} {preset.summary}  ({preset.chain})"])
    return 0


def list_dead(*, url: str | None, as_json: bool) -> int:
    """List the dead letters."""
    rows = Table(box=None, pad_edge=False)
    for column in ("ID", "CODE", "JOB", "ATTEMPTS", "AT", "MESSAGE"):
        rows.add_column(column, no_wrap=column == "ID", overflow="fold")
    with Client(url, retry_for=0) as client:
        for letter in client.dead_letters():
            if as_json:
                write_json(letter.document)
            else:
                cells = (
                    letter.id,
                    letter.code,
                    letter.job_id or "-",
                    str(letter.attempts),
                    _at(letter),
                    letter.message,
                )
                rows.add_row(*map(Text, cells))
    if rows.row_count:
        wide_console().print(rows)
    elif not as_json:
        write_lines(["There are no dead letters."])
    return 0


def show_dead(letter_id: str, *, url: str | None, as_json: bool) -> int:
    """Show all of one dead letter. Raises NotFound."""
    with Client(url, retry_for=0) as client:
        letter = client.dead_letter(letter_id)
    if as_json:
        write_json(letter.document)
        return 0
    about = {name: getattr(letter, name) for name in letter.__struct_fields__ if name not in {"fields", "at"}}
    shown = {**about, "at": _at(letter), **{f"entry.{name}": value for name, value in letter.fields.items()}}
    width = max(map(len, shown))
    write_lines([f"{_printable(name):<{width}}  {_printable(_or_dash(value))}" for name, value in shown.items()])
    return 0


def settle_dead(
    action: Literal["replay", "drop"],
    ids: Sequence[str],
    *,
    everything: bool,
    url: str | None,
    as_json: bool,
    rate: float | None = None,
) -> int:
    """Replay or drop dead letters, at most `rate` per second; returns 1 when one was not there or cannot run again."""
    if everything == bool(ids):
        raise WrongUsage(f"Name the dead letters, or --all. '{program()} dead list' has them.")
    missing = False
    with Client(url, retry_for=0) as client:
        for number, letter_id in enumerate(ids or [letter.id for letter in client.dead_letters()]):
            if number and rate is not None:
                time.sleep(1 / rate)
            try:
                client.replay(letter_id) if action == "replay" else client.drop(letter_id)
                outcome = "replayed" if action == "replay" else "dropped"
            except (NotFound, NotFailed, Expired) as error:
                outcome, missing = error.code, True
            if as_json:
                write_json({"id": letter_id, "outcome": outcome})
            else:
                write_lines([f"{outcome:<10} {letter_id}"])
    return 1 if missing else 0


def _range(schema: dict[str, Any]) -> str:
    """A parameter's default and what else it takes, from its JSON Schema."""
    branches = [schema, *schema.get("anyOf", [])]
    allowed = next((branch["enum"] for branch in branches if "enum" in branch), None)
    least = next((branch[key] for branch in branches for key in ("minimum", "exclusiveMinimum") if key in branch), None)
    most = next((branch[key] for branch in branches for key in ("maximum", "exclusiveMaximum") if key in branch), None)
    default = schema.get("default")
    text = "" if default is None else str(default)
    if allowed is not None:
        text += f"  one of {', '.join(map(str, allowed))}"
    elif least is not None or most is not None:
        text += f"  {'' if least is None else least}..{'' if most is None else most}"
    if description := schema.get("description"):
        text += f"  {description}"
    return text


def _or_dash(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _printable(text: str) -> str:
    """What a stranger wrote, so that it cannot steer the terminal that shows it."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _at(letter: DeadLetter) -> str:
    if letter.at is None:
        return "-"
    at = letter.at if isinstance(letter.at, datetime) else datetime.fromtimestamp(letter.at / 1000, UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S")
