"""`darkroom test` runs each gate, shows each outcome, and passes on what is meant for pytest."""

from pathlib import Path

import pytest

from tests.clients.command import Command


@pytest.fixture
def anywhere(tmp_path: Path) -> Command:
    return Command(tmp_path, {"COLUMNS": "100", "PYTEST_ADDOPTS": "-p no:cacheprovider"})


def test_the_tests_named_are_run_with_the_options_given(anywhere: Command) -> None:
    outcome = anywhere("test", "--no-lint", "tests/clients/test_inputs.py", "-k", "media_type and PDF", "-q")
    assert outcome.code == 0
    assert "1 passed" in outcome.text
    assert "passed" in outcome.lines[-1]


def test_a_failing_gate_is_shown_and_fails(anywhere: Command, tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_that_fails() -> None:\n    assert False\n")
    outcome = anywhere("test", "--no-lint", str(failing), "-q", "-p", "no:randomly")
    assert outcome.code == 1
    assert "failed (exit code 1)" in outcome.lines[-1]
