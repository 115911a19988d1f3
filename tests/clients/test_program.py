"""Hints name the program as it was typed: a fresh checkout has `./darkroom` and nothing on PATH."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.command import DARKROOM, Outcome
from tests.support.stack import Stack


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a `darkroom` that is not on PATH."""
    (tmp_path / "darkroom").symlink_to(DARKROOM)
    return tmp_path


def run(folder: Path, *line: str, path: str = "/usr/bin:/bin", **environment: str) -> Outcome:
    given = {**os.environ, "PATH": path, "COLUMNS": "100", **environment}
    done = subprocess.run(line, cwd=folder, env=given, capture_output=True, text=True, check=False, timeout=60)
    return Outcome(done.returncode, done.stdout.encode(), done.stderr)


def test_a_hint_names_what_was_typed(checkout: Path, unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    asked = ("./darkroom", "status", "--url", url)
    assert "Start it with './darkroom up'" in run(checkout, *asked).errors
    assert "Start it with 'darkroom up'" in run(checkout, *asked, path=f"{checkout}:/usr/bin:/bin").errors
    assert "See './darkroom filters'" in run(checkout, "./darkroom", "develop", "x.png", "-f", "seppia").errors


def test_a_hint_names_the_launcher_of_a_checkout(checkout: Path, unused_port: int) -> None:
    (checkout / "my photos").mkdir()
    launcher = checkout / "my photos" / "darkroom"
    launcher.write_text(f'#!/bin/sh\nexport DARKROOM_CALLED_AS="$0"\nexec {DARKROOM} "$@"\n')
    launcher.chmod(0o755)
    outcome = run(checkout, "my photos/darkroom", "status", "--url", f"http://127.0.0.1:{unused_port}")
    assert "Start it with ''my photos/darkroom' up'" in outcome.errors
    assert 'export DARKROOM_CALLED_AS="$0"' in (Path(__file__).parents[2] / "darkroom").read_text("utf-8")


def test_help_can_be_typed_as_it_is(checkout: Path) -> None:
    text = run(checkout, "./darkroom", "--help").text
    assert "Usage: ./darkroom [OPTIONS] COMMAND" in text
    assert "Start it with './darkroom up', then './darkroom submit" in text
    text = run(checkout, "./darkroom", "dead", "replay", "--help").text
    assert "\n    ./darkroom dead replay --all\n" in text
    assert " darkroom dead" not in text
    assert "Try './darkroom status -h'" in run(checkout, "./darkroom", "status", "--nonsense").errors


def test_a_bash_that_was_taught_once_completes_both(stack: Stack, checkout: Path) -> None:
    script = """
        eval "$(./darkroom --show-completion bash)"
        for name in ./darkroom darkroom; do
            COMP_WORDS=($name submit -f blu); COMP_CWORD=3
            _darkroom_completion $name
            printf '%s\\n' "${COMPREPLY[@]}"
            PATH=$PWD:$PATH
        done
        complete -p"""
    bash = str(shutil.which("bash"))
    asked = run(checkout, bash, "-c", script, DARKROOM_URL=stack.url, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    # A bash takes what it knows of `darkroom` for every path that ends so.
    assert asked.lines == ["blur", "blur", "complete -o default -F _darkroom_completion darkroom"], asked.errors


@pytest.mark.parametrize(("shell", "word"), [("zsh", "${~words[1]}"), ("fish", "(commandline -po)[1]")])
def test_other_shells_ask_what_was_typed(checkout: Path, shell: str, word: str) -> None:
    script = run(
        checkout, "./darkroom", "--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    ).text
    questions = script.count(f"_DARKROOM_COMPLETE=complete_{shell}")
    assert questions > 0
    assert script.count(word) == questions
