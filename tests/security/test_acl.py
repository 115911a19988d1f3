"""The Redis user that docs/security.md gives to publishers: it can publish, and nothing else."""

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from shared import keys
from tests.support import acl


def test_what_scales_and_what_measures_can_look_at_figures_alone(redis_url: str) -> None:
    with Redis.from_url(redis_url) as admin:
        for name in ("keda", "exporter"):
            admin.execute_command("ACL", "SETUSER", *acl.rule(name))
        stream = keys.uploaded(0)
        admin.xgroup_create(stream, keys.PROCESS_GROUP, mkstream=True)
        admin.xadd(stream, {"data": '{"source": "a"}'})
        with (
            Redis.from_url(redis_url, username="keda", password=acl.PASSWORD) as scaler,
            Redis.from_url(redis_url, username="exporter", password=acl.PASSWORD) as exporter,
        ):
            for user in (scaler, exporter):
                assert "redis_version" in user.info()
                for forbidden in (
                    ("XRANGE", stream, "-", "+"),
                    ("XADD", stream, "*", "data", "x"),
                    ("XREADGROUP", "GROUP", keys.PROCESS_GROUP, "me", "STREAMS", stream, ">"),
                    ("GET", keys.STORE_KEY),
                    ("CONFIG", "GET", "requirepass"),
                    ("SLOWLOG", "GET"),
                    ("CLIENT", "LIST"),
                    ("KEYS", "*"),
                    ("FLUSHALL",),
                ):
                    with pytest.raises(NoPermissionError):
                        user.execute_command(*forbidden)
            # What KEDA's scaler of streams asks for.
            assert scaler.xinfo_groups(stream)[0]["lag"] == 1
            assert scaler.xpending(stream, keys.PROCESS_GROUP)["pending"] == 0
            assert scaler.xlen(stream) == 1
            for group_of in (keys.progress(0), keys.hooks(0)):
                assert scaler.xlen(group_of) == 0
        admin.execute_command("ACL", "DELUSER", "keda", "exporter")


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
