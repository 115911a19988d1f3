"""The nodes of a Redis Cluster: a client of each, whom to ask, and what those said who were asked."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, MovedError, NoScriptError, RedisError

from shared import slots
from shared.slots import NO_ANSWER, Address

#: Opens a client of one node. It connects when it is first asked for something.
Opener: TypeAlias = Callable[[Address], Redis]

#: What the pool of a node says when all its connections are in use: nothing of the node.
_NO_PLACE: Final = "No connection available."
#: What a node says or does that does not serve its slots.
_FAILURES: Final = (*NO_ANSWER, ClusterDownError)


class Nodes:
    """An ordinary client for each node.

    `scripts` holds the texts of scripts by their SHA-1, for a node that does not know one yet.
    """

    def __init__(self, opener: Opener, seed: Address) -> None:
        self.map = slots.map_of(seed)
        self.scripts: dict[str, str] = {}
        self._opener = opener
        self._clients: dict[Address, Redis] = {}
        #: Nodes that did not answer when they were last asked.
        self._silent: set[Address] = set()
        self._encoder: Any = self.client(seed).connection_pool.get_encoder()

    async def close(self) -> None:
        """Close the connections to every node."""
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(client.aclose() for client in clients.values()))

    def client(self, address: Address) -> Any:  # noqa: ANN401 - its raw commands are untyped
        """The client of one node."""
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = self._opener(address)
        return client

    def anybody(self) -> Address:
        """A master that answers, as far as is known."""
        well = [address for address in self.map.masters if address not in self._silent]
        return random.choice(well or self.map.masters or [self.map.seed])  # noqa: S311 - spreads load, no secret

    async def whom(self, args: Sequence[Any]) -> Address:
        """The master that has the key of a command; any one when it has none."""
        await self.known()
        key = slots.key_of(args)
        if key is None:
            return self.anybody()
        slot = key_slot(self._encoder.encode(key))
        owner = self.map.owners[slot]
        if owner is None:
            await self.look(self.map.looks)
            owner = self.map.owners[slot]
        if owner is None:
            raise ClusterDownError(f"CLUSTERDOWN nobody serves slot {slot}")
        return owner

    async def send(
        self, address: Address, args: Sequence[Any], options: dict[str, Any], *, asking: bool = False
    ) -> Any:  # noqa: ANN401
        """Run a command at one node, with the script that it does not know yet if need be.

        `asking`: the node is about to get the slot, and was named by the one that still has it.
        """
        client = self.client(address)
        try:
            if not asking:
                return await self.hear(
                    address, client.execute_command(*args, **options), keyed=slots.key_of(args) is not None
                )
            # Both on one connection: the permission is for the next command only.
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*args, **options)
            _, answer = await self.hear(address, pipeline.execute(raise_on_error=False), keyed=False)
            if isinstance(answer, Exception):
                raise answer
        except NoScriptError:
            text = self.scripts.get(args[1])
            if text is None:
                raise
            return await self.send(address, ("EVAL", text, *args[2:]), options, asking=asking)
        return answer

    async def hear(self, address: Address, call: Any, *, keyed: bool = True) -> Any:  # noqa: ANN401
        """Await a call of one node and note whether it answered; if not, find out who has its slots now.

        Only a command with a key proves that a node serves its slots. What a node fails by tells which one it was.
        """
        looks, began = self.map.looks, time.monotonic()
        try:
            answer = await call
        except _FAILURES as error:
            if str(error) == _NO_PLACE:
                raise
            error.node = address  # type: ignore[union-attr] # for `shared.outage`
            self._silent.add(address)
            # When nobody answers that, what the call met says it already.
            with suppress(RedisError, OSError):
                await self.look(looks, avoid=address)
            raise
        self._silent.discard(address)
        slots.heard(address, began, served=keyed)
        return answer

    async def known(self) -> None:
        """Have a map. Raises ClusterDownError while no master has a slot."""
        if not self.map.masters:
            await self.look(self.map.looks)
        if not self.map.masters:
            raise ClusterDownError("CLUSTERDOWN no master serves any slot")

    async def learn(self, moved: MovedError, sender: Address) -> None:
        """A slot has another owner, and maybe not this one alone: look, and believe `sender` all the same."""
        # Without an answer the redirection itself is all that is known.
        with suppress(RedisError, OSError):
            await self.look(self.map.looks)
        self.map.owners[moved.slot_id] = slots.target(moved, sender)

    async def look(self, looks: int, *, avoid: Address | None = None) -> None:
        """Read the map of slots, unless somebody did since there had been so many `looks`; `avoid` is asked last.

        Raises what the last node raised when none answers.
        """

        async def ask(address: Address) -> Any:  # noqa: ANN401
            return await self.client(address).execute_command("CLUSTER SLOTS")

        await self.map.read(ask, looks, last={avoid, *self._silent})
