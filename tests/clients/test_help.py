"""Help is everywhere, has examples, and comes at once."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from clients.cli import app
from tests.clients.command import DARKROOM

COMMANDS = (
    *("up", "submit", "publish", "status", "watch", "develop", "filters", "bench", "chaos", "test"),
    *("dead list", "dead show", "dead replay", "dead drop", "keys add", "keys list", "keys revoke"),
)
#: Seconds of processor time that `--help` may take, on a machine that others use too.
ALLOWED = 0.3


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, arguments)


@pytest.mark.parametrize("name", [*COMMANDS, "dead", "keys"])
def test_every_command_has_help_with_examples(name: str) -> None:
    outcome = invoke(*name.split(), "--help")
    assert outcome.exit_code == 0
    assert f"\n    darkroom {name}" in outcome.output.partition("Examples:")[2]


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        *(("submit", "submit [OPTIONS] {FILES}..."), ("status", "status [OPTIONS] [JOB]...")),
        *(("watch", "watch [OPTIONS] [JOB]"), ("dead replay", "dead replay [OPTIONS] [ID]...")),
    ],
)
def test_the_usage_says_what_must_be_named_and_what_may_be(name: str, usage: str) -> None:
    assert f"darkroom {usage}\n" in invoke(*name.split(), "--help").output


def test_the_overview_names_every_command() -> None:
    listing = invoke("--help").output.partition("Commands:")[2]
    listed = {line.split()[0] for line in listing.splitlines() if line.strip()}
    assert listed >= {name.split()[0] for name in COMMANDS}


def test_help_takes_less_than_300_ms() -> None:
    assert min(_processor_seconds() for _ in range(3)) < ALLOWED


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, clients.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"httpx", "rich", "redis", "asyncio", "cv2", "numba"}.isdisjoint(loaded)


@pytest.mark.parametrize("arguments", [("nonsense",), ("submit",), ("status", "--limit", "no"), ("dead", "nonsense")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    outcome = invoke(*arguments)
    assert outcome.exit_code == 2
    assert "Usage:" in outcome.output


def _processor_seconds() -> float:
    process = subprocess.Popen([DARKROOM, "--help"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
