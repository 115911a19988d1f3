"""What a command that develops pictures shows: a live view on a terminal, plain lines or JSON in a pipe.

Lines go to standard output, one per picture at its end. The live view goes to the terminal, wherever that is.
"""

import json
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from clients.items import Item

#: Pictures under way that the live view names; the others are counted.
_ROWS: Final = 8
_STYLES: Final = {"done": "green", "failed": "red", "cancelled": "yellow", "deleted": "yellow"}
_MARKS: Final = {"done": "✓", "failed": "✗", "cancelled": "–", "deleted": "–"}


class Display:
    """Shows items as they change. Use it as a context around the work."""

    def __init__(self, total: int, *, as_json: bool = False, to_stderr: bool = False, wait: bool = True) -> None:
        """`to_stderr` keeps standard output free for a picture; without `wait` an item ends when it is queued."""
        self._wait = wait
        self._json = as_json
        self._lines: TextIO = sys.stderr if to_stderr else sys.stdout
        self._under_way: dict[int, tuple[Item, float]] = {}
        self._failed = self._ended = 0
        self._started = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            expand=True,
        )
        self._task = self._bar.add_task("developing", total=total)
        self._console = self._terminal(to_stderr=to_stderr)
        self._live = Live(console=self._console, get_renderable=self._view, refresh_per_second=12, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._console.is_terminal and error is None and self._ended > 1:
            took = time.monotonic() - self._started
            self._console.print(f"{self._ended} pictures in {took:.1f} s, {self._failed} failed", highlight=False)

    def close(self) -> None:
        """Take the live view away; nothing when that was done."""
        self._live.stop()

    def changed(self, item: Item) -> None:
        """Show an item's new state."""
        if not item.ended and (self._wait or item.state != "queued"):
            since = self._under_way[item.index][1] if item.index in self._under_way else time.monotonic()
            self._under_way[item.index] = (item, since)
            return
        self._under_way.pop(item.index, None)
        self._ended += 1
        self._failed += item.state not in ("done", "queued")
        self._bar.update(
            self._task, advance=1, description=f"[red]{self._failed} failed" if self._failed else "developing"
        )
        self.line(item)

    def line(self, item: Item) -> None:
        """Print one item as a line."""
        if self._json:
            write_json(item.document())
        elif self._console.is_terminal and self._console.file is self._lines:
            text = Text(f"{_MARKS.get(item.state, '·')} ", style=_STYLES.get(item.state, "cyan"))
            self._console.print(text.append(item.line(), style="default"), soft_wrap=True)
        else:
            print(item.line(), file=self._lines, flush=True)

    def _terminal(self, *, to_stderr: bool) -> Console:
        """The console of the live view: standard error, or standard output when both are the same terminal."""
        if self._json and sys.stdout.isatty():
            return Console(file=sys.stderr, force_terminal=False)
        return Console(stderr=to_stderr or not sys.stdout.isatty())

    def _view(self) -> RenderableType:
        shown = sorted(self._under_way.values(), key=lambda entry: _order(entry[0]))
        grid = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for item, since in shown[:_ROWS]:
            grid.add_row(Text(f"  {item.state}", style="cyan"), Text(item.shown), Text(f"{now - since:.1f} s", "dim"))
        if len(shown) > _ROWS:
            grid.add_row("", Text(f"and {len(shown) - _ROWS} more", style="dim"))
        return Group(grid, self._bar)


def _order(item: Item) -> tuple[int, int]:
    """Those in work first, then those that wait."""
    return (("processing", "saving", "uploading", "queued", "waiting").index(item.state), item.index)


def write_json(document: dict[str, Any]) -> None:
    """Print one document as one line."""
    print(json.dumps(document, ensure_ascii=False, default=_text), flush=True)  # noqa: T201 - the command's output


def write_lines(lines: Iterable[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        print(line)  # noqa: T201 - this is the command's output


def _text(value: object) -> str:
    return str(value)
