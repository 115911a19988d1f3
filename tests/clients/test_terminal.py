"""The command in a real terminal: one bar over all, what is under way, a line per picture."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.clients.command import Command, plain

Picture = Callable[..., Path]


def test_submit_shows_a_bar_and_the_state_of_each_picture(command: Command, picture: Picture) -> None:
    for index in range(12):
        picture(command.folder / "in" / f"{index:02}.png", seed=2000 + index, size=256)
    (command.folder / "fake.png").write_bytes(b"no picture")
    outcome = command.in_terminal("submit", "in", "fake.png", "-f", "sepia", "-o", "out")
    shown = plain(outcome.shown)
    assert outcome.code == 1
    assert "━" in shown
    assert "13/13" in shown
    assert "✓ done      in/03.png -> out/03-sepia.png" in shown
    assert "✗ failed    fake.png: is no JPEG" in shown
    assert "13 pictures in" in shown
    assert "1 failed" in shown


def test_a_picture_is_not_poured_over_a_terminal(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    outcome = command.in_terminal("submit", "cat.png", "-o", "-")
    assert (outcome.code, "A picture would go to the terminal" in plain(outcome.shown)) == (2, True)


def test_json_stays_json_in_a_terminal(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    outcome = command.in_terminal("submit", "cat.png", "--json")
    (line,) = outcome.shown.splitlines()
    assert line.startswith('{"file": "cat.png", "state": "done"')


def test_watch_shows_a_live_table(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png", seed=2100)
    job = command("submit", "cat.png", "-f", "edge", "--no-wait", "--json").documents[0]["id"]
    outcome = command.in_terminal("watch", job, columns=140)
    shown = plain(outcome.shown)
    assert outcome.code == 0
    assert "1 done" in shown
    assert re.search(rf"{job}\s+done\s+cat.png\s+edge", shown)


def test_watch_of_everything_shows_what_comes_until_ctrl_c(command: Command, picture: Picture) -> None:
    picture(command.folder / "early.png", seed=2200)
    picture(command.folder / "late.png", seed=2201)
    early = command("submit", "early.png", "-f", "flip", "--json").documents[0]["id"]
    with command.start_in_terminal("watch", columns=140) as terminal:
        terminal.wait_for(early)

        late = command("submit", "late.png", "-f", "emboss", "--json").documents[0]["id"]
        terminal.wait_for(rf"{late}\s+done")
        terminal.press(b"\x03")

        outcome = terminal.end()
    assert outcome.code == 130
    assert "Traceback" not in outcome.shown
    # The cursor that the live table hides is there again.
    assert outcome.shown.rindex("\x1b[?25h") > outcome.shown.rindex("\x1b[?25l")
