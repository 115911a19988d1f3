"""The Redis user that docs/security.md gives to publishers: it can publish, and nothing else."""

import re
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from shared import keys

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"


def test_a_publisher_can_publish_and_nothing_else(redis_url: str) -> None:
    rule = re.search(r"ACL SETUSER publisher .*", DOCUMENT.read_text("utf-8"))
    assert rule is not None
    with Redis.from_url(redis_url) as admin:
        admin.execute_command(*rule.group(0).split())
        with Redis.from_url(redis_url, username="publisher", password="SECRET") as publisher:
            for bulk in (False, True):
                publisher.xadd(keys.uploaded(0, bulk=bulk), {"data": '{"source": "a"}'})
            for forbidden in (
                ("XADD", keys.progress(0), "*", "data", "x"),
                ("XRANGE", keys.uploaded(0), "-", "+"),
                ("XTRIM", keys.uploaded(0), "MAXLEN", "0"),
                ("DEL", keys.uploaded(0)),
                ("HGETALL", keys.job(0, "0-1")),
                ("KEYS", "*"),
                ("PUBLISH", keys.changes(0), "[]"),
                ("CONFIG", "GET", "*"),
                ("FLUSHALL",),
            ):
                with pytest.raises(NoPermissionError):
                    publisher.execute_command(*forbidden)
        admin.execute_command("ACL", "DELUSER", "publisher")
