"""The documents are true: their examples run, and what they say of `--json` holds."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from clients.cli import app
from tests.clients.command import DARKROOM, Command
from tests.support.stack import Stack

DOCS = Path(__file__).parents[2] / "docs"
Picture = Callable[..., Path]


def blocks(document: str, language: str) -> list[str]:
    text = (DOCS / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def pictures(tmp_path: Path, picture: Picture) -> Path:
    """A folder with the pictures that the documents name."""
    for index, name in enumerate(("cat.jpg", "dog.jpg", "holiday/beach.jpg", "holiday/evening/fire.jpg")):
        picture(tmp_path / name, seed=7000 + index, size=96)
    return tmp_path


@pytest.fixture
def environment(stack: Stack, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{DARKROOM.parent}:{os.environ['PATH']}",
        "DARKROOM_URL": stack.url,
        "DARKROOM_REDIS_URL": stack.redis_url,
        "DARKROOM_BLOB_URL": stack.blob_url,
        "DARKROOM_STATE_DIR": str(tmp_path / "state"),
    }


@pytest.mark.parametrize("number", range(len(blocks("python-client.md", "python"))))
def test_an_example_of_the_python_client_runs(number: int, pictures: Path, environment: dict[str, str]) -> None:
    program = blocks("python-client.md", "python")[number]
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=pictures,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("number", range(len(blocks("cli.md", "sh"))))
def test_an_example_of_the_command_line_runs(number: int, pictures: Path, environment: dict[str, str]) -> None:
    script = blocks("cli.md", "sh")[number]
    shell = [str(shutil.which("sh")), "-e", "-c", script]
    ran = subprocess.run(shell, cwd=pictures, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_document_of_a_job_has_the_members_that_are_said(command: Command, picture: Picture) -> None:
    picture(command.folder / "cat.png")
    (document,) = command("submit", "cat.png", "--json").documents
    text = (DOCS / "cli.md").read_text("utf-8")
    said = re.findall(r"`(\w+)`", text.partition("The job document is")[2].partition("\n## ")[0])
    assert list(document["job"]) == said


def test_every_command_is_in_the_document() -> None:
    listing = CliRunner().invoke(app, ["--help"]).output.partition("Commands:")[2]
    names = [line.split()[0] for line in listing.splitlines() if line.strip()]
    text = (DOCS / "cli.md").read_text("utf-8")
    assert [name for name in names if f"`{name}" not in text] == []


def test_every_line_of_json_has_the_members_that_are_said(
    command: Command, stack: Stack, picture: Picture, letter: str
) -> None:
    picture(command.folder / "cat.png", seed=7100)
    picture(command.folder / "dog.png", seed=7101)
    (submitted,) = command("submit", "cat.png", "--json").documents
    printed = {
        "submit": [submitted],
        "publish": command("publish", "cat.png", "--data-dir", stack.data_dir, "--json").documents,
        "develop": command("develop", "dog.png", "--json").documents,
        "filters": command("filters", "--json").documents,
        "filters --presets": command("filters", "--presets", "--json").documents,
        "dead list": command("dead", "list", "--json").documents,
        "dead show": command("dead", "show", letter, "--json").documents,
        "dead drop": command("dead", "drop", letter, "--json").documents,
        "dead replay": command("dead", "replay", letter, "--json").documents,
        "keys add": command("keys", "add", "phone", "--file", "keys.json", "--json").documents,
        "keys list": command("keys", "list", "--file", "keys.json", "--json").documents,
        "status": command("status", submitted["id"], "--json").documents,
        "watch": command("watch", submitted["id"], "--json").documents,
        "up": [msgspec.to_builtins(stack.addresses)],
    }
    key = printed["keys list"][0]["id"]
    printed["keys revoke"] = command("keys", "revoke", key, "--file", "keys.json", "--json").documents
    said = _members_said()
    assert set(said) == set(printed)
    for name, documents in printed.items():
        assert documents, name
        assert [list(document) for document in documents] == [said[name]] * len(documents), name


def _members_said() -> dict[str, list[str]]:
    """The members of each command's objects, as the table says them."""
    text = (DOCS / "cli.md").read_text("utf-8")
    table = text.partition("| command | one object for | members |\n")[2].partition("\n\n")[0]
    of_a_job = re.findall(r"`(\w+)`", text.partition("The job document is")[2].partition("\n## ")[0])
    said: dict[str, list[str]] = {}
    for row in table.splitlines()[1:]:
        names, _, members = row.strip("| ").split(" | ")
        given = re.findall(r"`(\w+)`", members)
        if "the job document" in members:
            given = of_a_job
        elif "the same, and" in members:
            given = [*said["dead list"], *given]
        said |= dict.fromkeys(re.findall(r"`([^`]+)`", names), given)
    return said
