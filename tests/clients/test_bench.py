"""`darkroom bench` finds the benchmarks of the project and runs them with what follows their name."""

import pytest
from typer.testing import CliRunner

from clients.bench import run
from clients.cli import app
from clients.errors import WrongUsage


def test_the_benchmarks_are_listed_with_what_they_measure() -> None:
    lines = dict(line.split(maxsplit=1) for line in CliRunner().invoke(app, ["bench"]).output.splitlines())
    assert "C++" in lines["engine"]
    assert "jobs" in lines


def test_arguments_go_to_the_benchmark(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("engine", ["--help"]) == 0
    assert "usage: engine.py" in capfd.readouterr().out


def test_a_benchmark_that_is_not_there_is_wrong_usage() -> None:
    with pytest.raises(WrongUsage, match=r"there are .*engine"):
        run("nonsense", [])
