"""The atomic scripts of `shared/lua`, loaded by name.

Every write to Redis that must be whole is one of these. Each file opens with its data model; each is safe to repeat,
because clients repeat what they got no reply to.
"""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # The catalogue is used where no Redis is, and redis-py takes longer to load than a small picture.
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

#: A client that returns bytes, as every client of Darkroom does.
RedisClient: TypeAlias = "Redis"


@cache
def source(name: str) -> str:
    """The text of `shared/lua/<name>.lua`."""
    return (files("shared") / "lua" / f"{name}.lua").read_text("utf-8")


def load(redis: RedisClient, name: str) -> "AsyncScript":
    """A script bound to a client; call it with `await script(keys=[…], args=[…])`."""
    return redis.register_script(source(name))
