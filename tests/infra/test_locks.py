"""The locks: whole, in step with each other, and audited where there is an index that knows what is vulnerable."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Made in this repository, one image each.
OURS = ("ingest", "process", "results")


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-dev.lock", *(f"infra/docker/{s}.lock" for s in OURS)]
)
def test_every_locked_package_is_one_version_with_its_hashes_and_comes_from_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|^\s*(-e|-i|--index|--extra-index|--find-links|--trusted)", text, re.MULTILINE)
    locked = _locked(ROOT / lock)
    assert len(locked) > 20
    for requirement, hashes in locked.items():
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*==[\w.!+]+( ; .+)?", requirement), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", found) for found in hashes), requirement


@pytest.mark.parametrize("service", OURS)
def test_an_image_installs_its_part_of_the_lock(service: str) -> None:
    assert f" AS {service}\n" in (ROOT / "infra" / "docker" / "Dockerfile").read_text()
    whole = _locked(ROOT / "requirements.lock")
    part = _locked(ROOT / "infra" / "docker" / f"{service}.lock")
    assert part.items() <= whole.items()


@pytest.mark.parametrize("service", ["ingest", "results"])
def test_an_image_without_pixels_has_no_library_of_pixels(service: str) -> None:
    names = {line.split("==")[0] for line in _locked(ROOT / "infra" / "docker" / f"{service}.lock")}
    assert not names & {"numpy", "numba", "opencv-python-headless", "simplejpeg"}


#: What stands in for pip-audit, and what CI says then, with its exit status.
AUDITS = {
    "echo No known vulnerabilities found": ("ci: audited, no known vulnerabilities", 0),
    "echo Found 1 known vulnerability in 1 package; exit 1": ("ci: FAILED: known vulnerabilities", 1),
    "echo ServiceError: no such list here >&2; exit 1": ("ci: NOT AUDITED: ServiceError: no such list here", 0),
    "sleep 60": ("ci: NOT AUDITED: no answer within 1 s", 0),
}


@pytest.mark.parametrize("tool", AUDITS)
def test_an_audit_fails_on_findings_and_says_when_it_was_none(tool: str, tmp_path: Path) -> None:
    said, status = AUDITS[tool]
    stand_in = tmp_path / ".cache/audit/bin/pip-audit"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text(f"#!/bin/sh\n{tool}\n")
    stand_in.chmod(0o755)
    script = (ROOT / ".ci/run").read_text()
    (audit,) = re.findall(r"(?ms)^audit\(\) \{$.*?^\}$", script)
    # Before anything that takes its time, and not behind a condition.
    assert re.search(r"(?m)^audit$", script)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"audit_limit=1\n{audit}\naudit"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert said in done.stdout + done.stderr
    assert done.returncode == status


def _locked(path: Path) -> dict[str, frozenset[str]]:
    """Each requirement with its version and marker, and its hashes."""
    locked: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in path.read_text().splitlines():
        if line[:1].isalnum():
            current = locked.setdefault(line.removesuffix(" \\"), set())
        elif "--hash=" in line:
            current.add(line.strip().removesuffix(" \\"))
    return {requirement: frozenset(hashes) for requirement, hashes in locked.items()}
