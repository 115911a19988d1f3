"""Real parts that a machine may lack: their tests skip on a laptop and fail where all must be there."""

import os

import pytest

STRICT = bool(os.environ.get("CI") or os.environ.get("DARKROOM_REQUIRE_ALL"))
#: The longer mode of `.ci/run`.
LONG = os.environ.get("DARKROOM_CI") == "long"


def require(part: str, found: str | None) -> str:
    """`found`, the place of a part; without one the test skips, or fails under CI or DARKROOM_REQUIRE_ALL."""
    if found:
        return found
    if STRICT:
        pytest.fail(f"{part} is missing, and here every real part is required.", pytrace=False)
    pytest.skip(f"{part} is not installed.")
