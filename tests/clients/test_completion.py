"""What a Tab offers: presets, and the filters and parameters of the running service."""

import re
from pathlib import Path

import pytest

from clients.completion import complete_filter, complete_preset
from tests.clients.command import Command
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


BASH = {"_DARKROOM_COMPLETE": "complete_bash", "COMP_WORDS": "darkroom submit -f se", "COMP_CWORD": "3"}
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
