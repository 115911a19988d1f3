"""What a Tab offers: presets, and the filters and parameters of the running service."""

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


def test_the_shell_gets_what_it_asks_for(stack: Stack, tmp_path: Path) -> None:
    asking = {"_DARKROOM_COMPLETE": "complete_bash", "COMP_WORDS": "darkroom submit -f se", "COMP_CWORD": "3"}
    outcome = Command(tmp_path, {"DARKROOM_URL": stack.url, **asking})()
    assert outcome.lines == ["sepia"]
