"""A Redis Cluster as one client: an ordinary client for each node, and the map of slots that tells whom to ask.

What a call meets is told as it is, like on one server: a redirection is followed (nothing has run by then), a node that
does not answer fails the call, after the map was read anew, so that the next call finds the node's successor.
"""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ClusterError,
    MovedError,
    NoScriptError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from shared import slots
from shared.slots import NO_ANSWER, Address

#: Opens a client of one node. It connects when it is first asked for something.
Opener: TypeAlias = Callable[[Address], Redis]

#: Redirections of one call at most; more of them mean that the nodes do not agree with each other.
_REDIRECTIONS: Final = 8
#: Seconds between two tries of a call whose keys are on two nodes just now.
_AGAIN: Final = 0.02

#: What a node says or does that does not serve its slots.
_FAILURES: Final = (*NO_ANSWER, ClusterDownError)


def turns(redis: Redis) -> int:
    """How often the map of a cluster was seen to change; always 0 for one server."""
    return redis.map.turns if isinstance(redis, ClusterRedis) else 0


class ClusterRedis(Redis):
    """Sends each command to the master that has its key. A command of several keys needs them on one slot.

    A call whose keys are being moved, some here and some there, is tried again for `patience` seconds.
    """

    def __init__(self, opener: Opener, seed: Address, *, patience: float, repeat: bool) -> None:
        self._opener = opener
        self._patience = patience
        self._repeat = repeat
        self._clients = {seed: opener(seed)}
        #: Nodes that did not answer when they were last asked.
        self._silent: set[Address] = set()
        self._texts: dict[str, str] = {}
        self.map = slots.map_of(seed)
        super().__init__(connection_pool=self._clients[seed].connection_pool)
        self._encoder: Any = self.connection_pool.get_encoder()  # type: ignore[no-untyped-call] # redis-py's

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's own signature
        """Run one command where its key is. Raises what redis-py raises, ClusterError when the nodes disagree."""
        address, asking = await self._whom(args), False
        until = time.monotonic() + self._patience
        for _ in range(_REDIRECTIONS):
            try:
                return await self._run(address, args, options, asking=asking, until=until)
            except MovedError as moved:
                await self._learn(moved, address)
                address, asking = slots.target(moved, address), False
            except AskError as asked:
                address, asking = slots.target(asked, address), True
            except _Elsewhere as elsewhere:
                address, asking = elsewhere.address, False
        raise ClusterError(f"{args[0]} was redirected {_REDIRECTIONS} times")

    async def execute_together(self, commands: Sequence[tuple[tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
        """Run commands with one round trip for each node; answers in order, errors of the server among them."""
        groups: dict[Address, list[int]] = {}
        for number, (args, _) in enumerate(commands):
            groups.setdefault(await self._whom(args), []).append(number)
        answers: list[Any] = [None] * len(commands)

        async def run(address: Address, numbers: Sequence[int]) -> None:
            pipeline = self._client(address).pipeline(transaction=False)
            for number in numbers:
                args, options = commands[number]
                pipeline.execute_command(*args, **options)
            found = await self._hear(address, pipeline.execute(raise_on_error=False))
            for number, answer in zip(numbers, found, strict=True):
                answers[number] = answer

        await asyncio.gather(*(run(address, numbers) for address, numbers in groups.items()))
        for number, (args, options) in enumerate(commands):
            if isinstance(answers[number], AskError | TryAgainError):
                answers[number] = await self.execute_command(*args, **options)
        return answers

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002
        """Commands sent together. Raises ValueError for a transaction: the nodes have none in common."""
        if transaction or shard_hint:
            raise ValueError("a cluster has no transactions")
        return _Together(self)

    def pubsub(self, **options: Any) -> PubSub:  # noqa: ANN401 - redis-py's own signature
        """Listens at any node that answers: what is published at one is heard at all."""
        well = [address for address in self.map.masters if address not in self._silent]
        node = random.choice(well or self.map.masters or [self.map.seed])  # noqa: S311 - spreads load, no secret
        listening: PubSub = self._client(node).pubsub(**options)
        return listening

    async def ping(self, **_: Any) -> bool:  # noqa: ANN401 - redis-py's own signature
        """Whether the whole cluster answers. Raises what the first master raises that does not, or ClusterDownError."""
        await self._known()
        if None in self.map.owners:
            await self._look(self.map.looks)
        if None in self.map.owners:
            raise ClusterDownError("CLUSTERDOWN some slots have no master")
        calls = (self._send(address, ("PING",), {}) for address in self.map.masters)
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
        return True

    async def info(self, section: str | None = None, *args: str, **options: Any) -> Any:  # noqa: ANN401 - likewise
        """What the master tells whose memory is fullest: it is the first to refuse."""
        await self._known()
        words = ("INFO", *(word for word in (section, *args) if word is not None))
        found = await asyncio.gather(
            *(self._send(address, words, options) for address in self.map.masters),
        )
        return max(found, key=_fullness)

    async def mget(self, keys: Any, *args: Any) -> list[Any]:  # noqa: ANN401 - redis-py's own signature
        """The values of keys on any slots."""
        names = [*([keys] if isinstance(keys, bytes | str) else keys), *args]
        answers = await self.execute_together([(("GET", name), {}) for name in names])
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    async def script_load(self, script: Any) -> str:  # noqa: ANN401 - redis-py's own signature
        """Remember a script: each node gets it when it says that it does not know it."""
        text = script.decode() if isinstance(script, bytes) else script
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._texts[sha] = text
        return sha

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002, FBT001
        """Close the connections to every node."""
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(client.aclose() for client in clients.values()))

    def _client(self, address: Address) -> Any:  # noqa: ANN401 - its raw commands are untyped
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = self._opener(address)
        return client

    async def _whom(self, args: Sequence[Any]) -> Address:
        """The master that has the key of a command; any one when it has none."""
        await self._known()
        key = slots.key_of(args)
        if key is None:
            return random.choice(self.map.masters)  # noqa: S311 - spreads load, no secret
        slot = key_slot(self._encoder.encode(key))
        owner = self.map.owners[slot]
        if owner is None:
            await self._look(self.map.looks)
            owner = self.map.owners[slot]
        if owner is None:
            raise ClusterDownError(f"CLUSTERDOWN nobody serves slot {slot}")
        return owner

    async def _run(
        self, address: Address, args: Sequence[Any], options: dict[str, Any], *, asking: bool, until: float
    ) -> Any:  # noqa: ANN401
        """Run a command at one node, again while its keys are on two. Raises _Elsewhere when that node had to give up.

        Nothing has run by then; or it may have, on a node that is gone, and the caller allows that it runs again.
        """
        while True:
            try:
                return await self._send(address, args, options, asking=asking)
            except TryAgainError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(_AGAIN)
            except NO_ANSWER as error:
                if not self._repeat or (owner := await self._whom(args)) == address:
                    raise
                raise _Elsewhere(owner) from error
            except ResponseError as error:
                # A read that waited is woken when its stream moves away, or when its master becomes a replica.
                if not str(error).startswith("UNBLOCKED"):
                    raise
                with suppress(RedisError, OSError):
                    await self._look(self.map.looks)
                raise _Elsewhere(await self._whom(args)) from error

    async def _send(
        self, address: Address, args: Sequence[Any], options: dict[str, Any], *, asking: bool = False
    ) -> Any:  # noqa: ANN401
        client = self._client(address)
        try:
            if not asking:
                return await self._hear(
                    address, client.execute_command(*args, **options), keyed=slots.key_of(args) is not None
                )
            # Both on one connection: the permission is for the next command only.
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*args, **options)
            _, answer = await self._hear(address, pipeline.execute(raise_on_error=False))
            if isinstance(answer, Exception):
                raise answer
        except NoScriptError:
            text = self._texts.get(args[1])
            if text is None:
                raise
            return await self._send(address, ("EVAL", text, *args[2:]), options, asking=asking)
        return answer

    async def _hear(self, address: Address, call: Any, *, keyed: bool = True) -> Any:  # noqa: ANN401
        """Await a call of one node and note whether it answered; if not, find out who has its slots now.

        Only a command with a key proves that a node serves its slots. What a node fails by tells which one it was.
        """
        looks, began = self.map.looks, time.monotonic()
        try:
            answer = await call
        except _FAILURES as error:
            error.node = address  # type: ignore[union-attr] # for `shared.outage`
            self._silent.add(address)
            # When nobody answers that, what the call met says it already.
            with suppress(RedisError, OSError):
                await self._look(looks, avoid=address)
            raise
        self._silent.discard(address)
        if keyed:
            slots.heard(address, began)
        return answer

    async def _known(self) -> None:
        """Have a map. Raises ClusterDownError while no master has a slot."""
        if not self.map.masters:
            await self._look(self.map.looks)
        if not self.map.masters:
            raise ClusterDownError("CLUSTERDOWN no master serves any slot")

    async def _learn(self, moved: MovedError, sender: Address) -> None:
        """A slot has another owner, and maybe not this one alone: look, and believe `sender` all the same."""
        # Without an answer the redirection itself is all that is known.
        with suppress(RedisError, OSError):
            await self._look(self.map.looks)
        self.map.owners[moved.slot_id] = slots.target(moved, sender)

    async def _look(self, looks: int, *, avoid: Address | None = None) -> None:
        """Read the map of slots, unless somebody did since there had been so many `looks`; `avoid` is asked last.

        Raises what the last node raised when none answers.
        """

        async def ask(address: Address) -> Any:  # noqa: ANN401
            return await self._client(address).execute_command("CLUSTER SLOTS")

        await self.map.read(ask, looks, last={avoid, *self._silent})


class _Elsewhere(Exception):
    """The call is for another node now."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.address = address


class _Together(Pipeline):
    """A pipeline whose commands may belong to several nodes."""

    def __init__(self, cluster: ClusterRedis) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, transaction=False, shard_hint=None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's own
        stack, self.command_stack = self.command_stack, []
        answers = await self._cluster.execute_together(stack)  # type: ignore[arg-type] # pairs of arguments and options
        for answer in answers:
            if raise_on_error and isinstance(answer, RedisError):
                raise answer
        return answers


def _fullness(info: dict[str, Any]) -> tuple[float, int]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    return (used / most if most else 0.0), used
