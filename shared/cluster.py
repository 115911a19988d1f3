"""A Redis Cluster as one client: an ordinary client for each node, and the map of slots that tells whom to ask.

What a call meets is told as it is, like on one server: a redirection is followed (nothing has run by then), a node that
does not answer fails the call, after the map was read anew, so that the next call finds the node's successor.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ClusterError,
    MovedError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from shared import slots
from shared.nodes import Nodes, Opener
from shared.slots import NO_ANSWER, Address

#: Redirections of one call at most; more of them mean that the nodes do not agree with each other.
_REDIRECTIONS: Final = 8
#: Seconds between two tries of a call whose keys are on two nodes just now.
_AGAIN: Final = 0.02


def turns(redis: Redis) -> int:
    """How often the map of a cluster was seen to change; always 0 for one server."""
    return redis.turns if isinstance(redis, ClusterRedis) else 0


class ClusterRedis(Redis):
    """Sends each command to the master that has its key. A command of several keys needs them on one slot.

    A call whose keys are being moved, some here and some there, is tried again for `patience` seconds.
    """

    def __init__(self, opener: Opener, seed: Address, *, patience: float, repeat: bool) -> None:
        self._nodes = Nodes(opener, seed)
        self._patience = patience
        self._repeat = repeat
        super().__init__(connection_pool=self._nodes.client(seed).connection_pool)

    @property
    def turns(self) -> int:
        """How often the map of slots was seen to change."""
        return self._nodes.map.turns

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's own signature
        """Run one command where its key is. Raises what redis-py raises, ClusterError when the nodes disagree."""
        address, asking = await self._nodes.whom(args), False
        until = time.monotonic() + self._patience
        for _ in range(_REDIRECTIONS):
            try:
                return await self._run(address, args, options, asking=asking, until=until)
            except MovedError as moved:
                await self._nodes.learn(moved, address)
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
            groups.setdefault(await self._nodes.whom(args), []).append(number)
        answers: list[Any] = [None] * len(commands)

        async def run(address: Address, numbers: Sequence[int]) -> None:
            pipeline = self._nodes.client(address).pipeline(transaction=False)
            for number in numbers:
                args, options = commands[number]
                pipeline.execute_command(*args, **options)
            found = await self._nodes.hear(address, pipeline.execute(raise_on_error=False), keyed=False)
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
        listening: PubSub = self._nodes.client(self._nodes.anybody()).pubsub(**options)
        return listening

    async def ping(self, **_: Any) -> bool:  # noqa: ANN401 - redis-py's own signature
        """Whether the whole cluster answers. Raises what the first master raises that does not, or ClusterDownError."""
        await self._nodes.known()
        if None in self._nodes.map.owners:
            await self._nodes.look(self._nodes.map.looks)
        if None in self._nodes.map.owners:
            raise ClusterDownError("CLUSTERDOWN some slots have no master")
        calls = (self._nodes.send(address, ("PING",), {}) for address in self._nodes.map.masters)
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
        return True

    async def info(self, section: str | None = None, *args: str, **options: Any) -> Any:  # noqa: ANN401 - likewise
        """What the master tells whose memory is fullest, of those that answer: it is the first to refuse."""
        await self._nodes.known()
        words = ("INFO", *(word for word in (section, *args) if word is not None))
        calls = (self._nodes.send(address, words, options) for address in self._nodes.map.masters)
        found = await asyncio.gather(*calls, return_exceptions=True)
        told = [answer for answer in found if isinstance(answer, dict)]
        if not told:
            raise next(answer for answer in found if isinstance(answer, BaseException))
        return max(told, key=_fullness)

    async def mget(self, keys: Any, *args: Any) -> list[Any]:  # noqa: ANN401 - redis-py's own signature
        """The values of keys on any slots."""
        names = [*([keys] if isinstance(keys, bytes | str) else keys), *args]
        return _without_errors(await self.execute_together([(("GET", name), {}) for name in names]))

    async def script_load(self, script: Any) -> str:  # noqa: ANN401 - redis-py's own signature
        """Remember a script: each node gets it when it says that it does not know it."""
        text = script.decode() if isinstance(script, bytes) else script
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._nodes.scripts[sha] = text
        return sha

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002, FBT001
        """Close the connections to every node."""
        await self._nodes.close()

    async def _run(
        self, address: Address, args: Sequence[Any], options: dict[str, Any], *, asking: bool, until: float
    ) -> Any:  # noqa: ANN401
        """Run a command at one node, again while its keys are on two. Raises _Elsewhere when that node had to give up.

        Nothing has run by then; or it may have, on a node that is gone, and the caller allows that it runs again.
        """
        while True:
            try:
                return await self._nodes.send(address, args, options, asking=asking)
            except TryAgainError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(_AGAIN)
            except NO_ANSWER as error:
                if not self._repeat or (owner := await self._nodes.whom(args)) == address:
                    raise
                raise _Elsewhere(owner) from error
            except ResponseError as error:
                # A read that waited is woken when its stream moves away, or when its master becomes a replica.
                if not str(error).startswith("UNBLOCKED"):
                    raise
                with suppress(RedisError, OSError):
                    await self._nodes.look(self._nodes.map.looks)
                raise _Elsewhere(await self._nodes.whom(args)) from error


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
        return _without_errors(answers) if raise_on_error else answers


def _without_errors(answers: list[Any]) -> list[Any]:
    """The answers, if there is no error among them; raises the first."""
    for answer in answers:
        if isinstance(answer, RedisError):
            raise answer
    return answers


def _fullness(info: dict[str, Any]) -> tuple[float, int]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    return (used / most if most else 0.0), used
