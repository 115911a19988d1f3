"""What a Tab offers: presets, and the filters and parameters of the running service."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clients.completion import complete_filter, complete_preset
from tests.clients.command import DARKROOM, Command
from tests.support.stack import Stack


def test_presets_are_offered_without_a_service() -> None:
    assert [name for name, _ in complete_preset("noi")] == ["noir"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("bl", ["blur"]),
        ("sepia,bl", ["sepia,blur"]),
        ("blur:", ["blur:size=", "blur:sigma="]),
        ("sepia,blur:size=9:", ["sepia,blur:size=9:sigma="]),
        ("nonsense:", []),
    ],
)
def test_a_chain_is_completed_at_its_end(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, typed: str, offered: list[str]
) -> None:
    monkeypatch.setenv("DARKROOM_URL", stack.url)
    assert [text for text, _ in complete_filter(typed)] == offered


def test_where_no_service_runs_nothing_is_offered(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_URL", f"http://127.0.0.1:{unused_port}")
    assert complete_filter("b") == []


BASH = {"_DARKROOM_COMPLETE": "complete_bash", "COMP_WORDS": "darkroom\nsubmit\n-f\nse", "COMP_CWORD": "3"}
ZSH = {"_DARKROOM_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "darkroom submit -f se"}
FISH = {
    "_DARKROOM_COMPLETE": "complete_fish",
    "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    "_TYPER_COMPLETE_ARGS": "darkroom submit -f se",
}


@pytest.mark.parametrize(
    ("asking", "pattern"),
    [
        pytest.param(BASH, r"sepia\n", id="bash"),
        pytest.param(ZSH, r"""_arguments '\*: :\(\("sepia":"[A-Z][^"]+"\)\)'\n""", id="zsh"),
        pytest.param(FISH, r"sepia\t[A-Z].+\n", id="fish"),
    ],
)
def test_each_shell_gets_what_it_asks_for(stack: Stack, tmp_path: Path, asking: dict[str, str], pattern: str) -> None:
    outcome = Command(tmp_path, {"DARKROOM_URL": stack.url, **asking})()
    assert re.fullmatch(pattern, outcome.text), outcome.text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_taught_to_ask(tmp_path: Path, shell: str) -> None:
    outcome = Command(tmp_path, {"_DARKROOM_COMPLETE": f"source_{shell}"})()
    assert outcome.code == 0
    assert f"_DARKROOM_COMPLETE=complete_{shell}" in outcome.text


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("submit -f blu", ["blur"]),
        ("submit -f sepia,blur : siz", ["size="]),
        ("submit --filter = blur : size = 9 :", ["sigma="]),
        ("submit --preset = no", ["noir"]),
        ("sub", ["submit"]),
    ],
)
def test_a_bash_that_ends_words_at_colons_gets_the_rest_of_the_word(
    stack: Stack, tmp_path: Path, words: str, offered: list[str]
) -> None:
    script = f"""eval "$(_DARKROOM_COMPLETE=source_bash darkroom)"
        COMP_WORDS=(darkroom {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _darkroom_completion darkroom
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    path = f"{DARKROOM.parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DARKROOM_URL": stack.url}
    command = [str(shutil.which("bash")), "-c", script]
    asked = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert (asked.stdout.split(), asked.stderr) == (offered, "")
