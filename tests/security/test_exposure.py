"""A service alone does not listen where others reach it, unless it has keys or was told that the network is closed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.access import AccessSettings
from shared.exposure import exposed


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_the_loopback_is_open_to_this_machine(host: str) -> None:
    assert exposed(host, AccessSettings()) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "darkroom.example"])
def test_beyond_it_keys_or_a_word_are_needed(host: str) -> None:
    reason = exposed(host, AccessSettings())
    assert reason
    assert "DARKROOM_API_KEYS_FILE" in reason
    assert exposed(host, AccessSettings(api_keys_file=Path("keys.json"))) is None
    assert exposed(host, AccessSettings(insecure=True)) is None


@pytest.mark.parametrize(("service", "variable"), [("ingest", "DARKROOM_HOST"), ("results", "DARKROOM_RESULTS_HOST")])
def test_a_service_that_everybody_could_use_does_not_start(service: str, variable: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env={**os.environ, variable: "0.0.0.0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "there are no API keys" in ended.stderr
    assert "Traceback" not in ended.stderr
