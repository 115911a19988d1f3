"""Slots of a Redis Cluster: which one a command belongs to, and which master has it."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import AskError

Address: TypeAlias = tuple[str, int]

#: First words of commands that have no key.
_KEYLESS: Final = frozenset({"CLUSTER", "CONFIG", "INFO", "PING", "PUBLISH", "SCRIPT", "TIME"})


def key_of(args: Sequence[Any]) -> Any | None:  # noqa: ANN401 - text or bytes
    """The first key of a command as redis-py puts it; none when it has no key."""
    name = args[0].partition(" ")[0].upper()
    if name in _KEYLESS or len(args) == 1:
        return None
    if name in ("EVAL", "EVALSHA"):
        return args[3] if int(args[2]) else None
    if name in ("XREAD", "XREADGROUP"):
        return args[next(at for at, word in enumerate(args) if word in (b"STREAMS", "STREAMS")) + 1]
    return args[1]


def owners(found: Sequence[Any], asked: Address) -> list[Address | None]:
    """The master of each slot, from the answer to CLUSTER SLOTS of the node `asked`."""
    every: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
    for first, last, (host, port, *_), *_ in found:
        text = host.decode() if isinstance(host, bytes) else host
        # A node that does not know its own address means the one it was asked at.
        address = (text if text not in (None, "", "?") else asked[0], int(port))
        every[int(first) : int(last) + 1] = [address] * (int(last) - int(first) + 1)
    return every


def target(redirected: AskError, asked: Address) -> Address:
    """Where the node `asked` sends us."""
    return redirected.host or asked[0], redirected.port
