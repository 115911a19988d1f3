"""A short storm over the real product; a long one is `./darkroom chaos --minutes 30`."""

import random
import shutil
from pathlib import Path

import pytest

from tests.chaos.driver import Plan, run
from tests.support.parts import require


@pytest.mark.timeout(240)
@pytest.mark.parametrize("server", ["valkey", "redis"])
async def test_nothing_is_lost_and_nothing_doubled_in_a_storm(server: str, tmp_path: Path) -> None:
    binary = require("redis-server", shutil.which("redis-server")) if server == "redis" else ""
    plan = Plan(tmp_path, random.randrange(1, 2**31), seconds=20, server=binary, gust=1.0, process=2)
    report = await run(plan)
    assert not report.complaints
    assert report.verdict.jobs > 100
    assert sum(report.blows.values()) > 5
