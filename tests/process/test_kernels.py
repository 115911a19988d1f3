"""Kernels are compiled once, into a folder that is ours alone, and the engine's version is that of its pixels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.process import engine, kernels
from services.process.engine import ENGINE_VERSION


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home and a folder for temporary files of our own, nothing else set."""
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(kernels, "_temporary", lambda: tmp_path / "tmp/darkroom")
    return tmp_path


def test_the_cache_is_in_the_users_folder_for_caches(places: Path) -> None:
    assert kernels.numba_cache() == places / "home/.cache/darkroom/numba"


def test_a_folder_that_is_named_is_taken(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(places / "here"))
    assert kernels.numba_cache() == places / "here"


def test_without_a_home_the_cache_is_among_temporary_files(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    assert kernels.numba_cache() == places / "tmp/darkroom"


def test_a_folder_that_others_may_write_to_is_never_taken(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = places / "home/.cache/darkroom/numba"
    shared.mkdir(parents=True)
    shared.chmod(0o777)
    assert kernels.numba_cache() == places / "tmp/darkroom"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    (places / "tmp/darkroom").chmod(0o777)
    chosen = kernels.numba_cache()
    assert chosen not in (shared, places / "tmp/darkroom")
    assert chosen.stat().st_mode & 0o077 == 0


def test_the_version_of_the_engine_is_told_without_numba_or_opencv_and_is_always_the_same() -> None:
    program = (
        "import sys; from services.process.engine import ENGINE_VERSION as version;"
        "print(version, 'cv2' in sys.modules or 'numba' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, "HOME": "/"}
    )
    assert done.stdout.split() == [ENGINE_VERSION, "False"]
    assert len(ENGINE_VERSION) == 16


def test_another_release_of_what_makes_pixels_is_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every package that the engine's modules import counts, but those that only move data about."""
    releases = {"numba": "1"}
    monkeypatch.setattr(engine, "version", lambda name: releases.setdefault(name, "1"))
    before = engine.engine_version.__wrapped__()
    assert before != ENGINE_VERSION
    assert {*releases} == {"imagesize", "numba", "numpy", "opencv-python-headless", "simplejpeg"}
    for name in releases:
        releases[name] = "2"
        assert engine.engine_version.__wrapped__() != before
        releases[name] = "1"
