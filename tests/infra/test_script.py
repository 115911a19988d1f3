"""The `darkroom` script, on a small project of its own: how it makes the environment and when it makes it anew."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.waiting import wait_until

SCRIPT = Path(__file__).parents[2] / "darkroom"

#: A build backend in the tree, so that the small project needs nothing from outside.
BACKEND = """
import pathlib, zipfile

WHEEL = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "darkroom-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("darkroom.pth", str(pathlib.Path.cwd()))
        wheel.writestr("darkroom-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: darkroom\\nVersion: 1.0\\n")
        wheel.writestr("darkroom-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("darkroom-1.0.dist-info/entry_points.txt", "[console_scripts]\\ndarkroom = program:main\\n")
        wheel.writestr("darkroom-1.0.dist-info/RECORD", "")
    return name

def get_requires_for_build_editable(config_settings=None):
    return []
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "darkroom"
version = "1.0"
"""
PROGRAM = "import os, sys, library\ndef main(): print(library.VERSION, *sys.argv[1:], os.getcwd(), sep='|')\n"


@dataclass
class Project:
    root: Path
    path: str

    def need(self, version: str, *, digest: str | None = None) -> None:
        """Lock a library of this version, with its own hash or another."""
        wheel = self.root.parent / f"library-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("library.py", f"VERSION = {version!r}\n")
            dist = f"library-{version}.dist-info"
            # What the lock does not hold is not looked for: it is whole.
            needs = "Requires-Dist: of-no-index[extra]>=1\n"
            archive.writestr(f"{dist}/METADATA", f"Metadata-Version: 2.1\nName: library\nVersion: {version}\n{needs}")
            archive.writestr(f"{dist}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{dist}/RECORD", "")
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        for lock in ("requirements.lock", "requirements-dev.lock"):
            (self.root / lock).write_text(f"library @ {wheel.as_uri()} --hash=sha256:{digest}\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "darkroom"), *arguments],
            cwd=self.root.parent,
            env={**os.environ, "PATH": self.path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, errors = process.communicate(timeout=60)
        return process.returncode, out.strip(), errors.strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in a folder with a space, on a machine whose first `python3` is a shim that fails."""
    root = tmp_path / "my dark room"
    root.mkdir()
    shutil.copy(SCRIPT, root / "darkroom")
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "program.py").write_text(PROGRAM)
    shims, tools = tmp_path / "shims", tmp_path / "tools"
    shims.mkdir()
    tools.mkdir()
    (shims / "python3").write_text("#!/bin/sh\necho 'no version is set' >&2\nexit 127\n")
    (shims / "python3").chmod(0o755)
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    (tools / base.name).symlink_to(base)
    for name in ("sh", "cat", "cmp", "dirname", "head", "mkdir", "readlink", "rm"):
        (tools / name).symlink_to(shutil.which(name) or name)
    made = Project(root, f"{shims}:{tools}")
    made.need("1.0")
    return made


def test_it_installs_the_lock_alone_once_from_any_directory_and_says_so_in_one_line(project: Project) -> None:
    status, out, errors = project.run("filters", "--a b")
    assert (status, out) == (0, f"1.0|filters|--a b|{project.root.parent}")
    assert errors == "darkroom: installing requirements.lock into .venv; this takes a minute the first time"
    assert project.run("filters") == (0, f"1.0|filters|{project.root.parent}", "")


def test_a_changed_lock_is_installed_and_a_wrong_hash_refused(project: Project) -> None:
    project.run()
    project.need("2.0", digest="0" * 64)
    status, _, errors = project.run()
    assert status != 0
    assert "DO NOT MATCH THE HASHES" in errors
    project.need("2.0")
    assert project.run()[:2] == (0, f"2.0|{project.root.parent}")


def test_two_starts_at_once_share_one_installation(project: Project) -> None:
    both = [project.start("up"), project.start("test")]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [out.split("|")[:2] for out, _ in answers] == [["1.0", "up"], ["1.0", "test"]]


def test_a_killed_installation_never_looks_ready(project: Project) -> None:
    process = project.start()
    wait_until((project.root / ".venv" / "bin").exists, timeout=30)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list((project.root / ".venv").glob("*.ready"))
    assert project.run()[:2] == (0, f"1.0|{project.root.parent}")


def test_a_moved_checkout_is_installed_anew(project: Project) -> None:
    project.run()
    project.root = project.root.rename(project.root.with_name("moved"))
    assert project.run()[:2] == (0, f"1.0|{project.root.parent}")


def test_without_a_python_it_says_what_to_install(project: Project) -> None:
    project.path = project.path.split(":", 1)[0]
    project.path += ":" + _only_tools(project.root.parent)
    status, _, errors = project.run()
    assert status == 1
    assert "no Python 3.11 to 3.13 with venv found on PATH" in errors


def _only_tools(folder: Path) -> str:
    tools = folder / "bare"
    shutil.copytree(folder / "tools", tools, symlinks=True)
    for python in tools.glob("python*"):
        python.unlink()
    return str(tools)
