"""The Redis user that docs/security.md gives to publishers: it can publish, and nothing else."""

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from shared import keys
from tests.support import acl


def test_a_publisher_can_publish_and_nothing_else(redis_url: str) -> None:
    with Redis.from_url(redis_url) as admin:
        admin.execute_command("ACL", "SETUSER", *acl.rule("publisher"))
        with Redis.from_url(redis_url, username="publisher", password=acl.PASSWORD) as publisher:
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
