"""Help is everywhere, has examples, and comes at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.command import DARKROOM, Command

COMMANDS = (
    *("up", "submit", "publish", "status", "watch", "develop", "filters", "bench", "test"),
    *("dead list", "dead replay", "dead drop"),
)
#: Seconds of processor time that `--help` may take, on a machine that others use too.
ALLOWED = 0.3


@pytest.fixture
def anywhere(tmp_path: Path) -> Command:
    return Command(tmp_path, {"COLUMNS": "100"})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(anywhere: Command, name: str) -> None:
    outcome = anywhere(*name.split(), "--help")
    assert outcome.code == 0
    assert f"\n    darkroom {name}" in outcome.text.partition("Examples:")[2]


def test_the_overview_names_every_command(anywhere: Command) -> None:
    listed = {
        line.split()[0] for line in anywhere("--help").text.partition("Commands:")[2].splitlines() if line.strip()
    }
    assert listed >= {name.split()[0] for name in COMMANDS}


def test_help_takes_less_than_300_ms() -> None:
    assert min(_processor_seconds() for _ in range(3)) < ALLOWED


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, clients.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"httpx", "rich", "redis", "asyncio", "cv2", "numba"}.isdisjoint(loaded)


@pytest.mark.parametrize("arguments", [("nonsense",), ("submit",), ("status", "--limit", "no"), ("dead", "nonsense")])
def test_wrong_usage_exits_with_2(anywhere: Command, arguments: tuple[str, ...]) -> None:
    outcome = anywhere(*arguments)
    assert outcome.code == 2
    assert "Usage:" in outcome.errors


def _processor_seconds() -> float:
    process = subprocess.Popen([DARKROOM, "--help"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
