"""Slots of a Redis Cluster: which one a command belongs to, which master has it, and which masters answer."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import AskError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

Address: TypeAlias = tuple[str, int]

#: How a call ends that a node did not answer.
NO_ANSWER: Final = (NoConnection, NoAnswer, OSError)

#: First words of commands that have no key.
_KEYLESS: Final = frozenset({"CLUSTER", "CONFIG", "INFO", "PING", "PUBLISH", "SCRIPT", "TIME"})

#: When the last call began that a master answered, and the last one about its slots; for ever for one that has no slots
#: any more. Of this process.
_heard: dict[Address, float] = {}
_served: dict[Address, float] = {}


class SlotMap:
    """Who has which slot. All clients of a cluster in one process share it: what one finds out, all know."""

    def __init__(self, seed: Address) -> None:
        #: Where to ask first: an address that was configured.
        self.seed = seed
        self.owners: list[Address | None] = []
        self.masters: list[Address] = []
        #: How often it was read, and how often it had changed then.
        self.looks = 0
        self.turns = 0
        self._reading = asyncio.Lock()

    async def read(
        self, ask: Callable[[Address], Awaitable[Any]], looks: int, *, last: Collection[Address | None]
    ) -> None:
        """Read it anew, unless somebody did since there had been so many `looks`.

        `ask` gets the answer of a node to CLUSTER SLOTS; those in `last` are asked when no other answers. Raises what
        the last node raised when none does.
        """
        async with self._reading:
            if self.looks != looks:
                return
            known = dict.fromkeys([*random.sample(self.masters, len(self.masters)), self.seed])
            fault: Exception = NoConnection("no node is known")
            for address in sorted(known, key=lambda one: one in last):
                try:
                    found = await ask(address)
                except NO_ANSWER as error:
                    fault = error
                else:
                    self.take(owners(found, address))
                    return
            raise fault

    def take(self, owners: list[Address | None]) -> None:
        """Go by what a node said."""
        self.looks += 1
        if owners == self.owners:
            return
        former = {*self.masters, self.seed}
        self.owners = owners
        self.masters = list(dict.fromkeys(owner for owner in owners if owner is not None))
        self.turns += 1
        for address in former.difference(self.masters):
            _heard[address] = _served[address] = math.inf
        for address in self.masters:
            if _heard.get(address) == math.inf:
                del _heard[address], _served[address]


_maps: WeakValueDictionary[Address, SlotMap] = WeakValueDictionary()


def map_of(seed: Address) -> SlotMap:
    """The map of the cluster that has a node at this address."""
    known = _maps.get(seed)
    if known is None:
        known = _maps[seed] = SlotMap(seed)
    return known


def heard(address: Address, began: float, *, served: bool) -> None:
    """Note that a master answered a call that began at `began` (of `time.monotonic`); `served` if about its slots."""
    _heard[address] = max(began, _heard.get(address, 0.0))
    if served:
        _served[address] = max(began, _served.get(address, 0.0))


def answers_since(address: Address, moment: float, *, served: bool) -> bool:
    """Whether a master answered a call that began after a moment, or has no slots any more."""
    return (_served if served else _heard).get(address, 0.0) > moment


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
