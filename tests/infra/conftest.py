"""The manifests of each overlay for Kubernetes, rendered once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.infra.manifests import FOLDER, OVERLAYS, Manifests
from tests.support.parts import require


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> tuple[str, Manifests]:
    """The name of an overlay and what kustomize makes of it."""
    beside = Path(sys.executable).parent / "kubectl"
    kubectl = require("kubectl", str(beside) if beside.exists() else shutil.which("kubectl"))
    done = subprocess.run(
        [kubectl, "kustomize", str(FOLDER / request.param)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return request.param, [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture
def manifests(overlay: tuple[str, Manifests]) -> Manifests:
    return overlay[1]
