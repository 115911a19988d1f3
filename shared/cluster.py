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
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

from shared import slots
from shared.slots import Address

#: Opens a client of one node. It connects when it is first asked for something.
Opener: TypeAlias = Callable[[Address], Redis]

#: Redirections of one call at most; more of them mean that the nodes do not agree with each other.
_REDIRECTIONS: Final = 8
#: Seconds between two tries of a call whose keys are on two nodes just now.
_AGAIN: Final = 0.02

_NO_ANSWER: Final = (NoConnection, NoAnswer, OSError)

#: Masters that did not answer this process when they were last asked, whichever client of it asked them.
_silent: set[Address] = set()


def all_answer() -> bool:
    """Whether every master answered this process when it was last asked, or has a successor."""
    return not _silent


def turns(redis: Redis) -> int:
    """How often the map of a cluster was seen to change; always 0 for one server."""
    return redis.turns if isinstance(redis, ClusterRedis) else 0


class ClusterRedis(Redis):
    """Sends each command to the master that has its key. A command of several keys needs them on one slot.

    A call whose keys are being moved, some here and some there, is tried again for `patience` seconds.
    """

    def __init__(self, opener: Opener, seed: Address, *, patience: float) -> None:
        self._opener = opener
        self._seed = seed
        self._patience = patience
        self._clients = {seed: opener(seed)}
        self._owners: list[Address | None] = []
        self._masters: list[Address] = []
        self._texts: dict[str, str] = {}
        self._looking = asyncio.Lock()
        self._looks = 0
        #: How often the map was seen to change.
        self.turns = 0
        super().__init__(connection_pool=self._clients[seed].connection_pool)
        self._encoder: Any = self.connection_pool.get_encoder()  # type: ignore[no-untyped-call] # redis-py's

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's own signature
        """Run one command where its key is. Raises what redis-py raises, ClusterError when the nodes disagree."""
        address, asking = await self._whom(args), False
        until = time.monotonic() + self._patience
        redirections = 0
        while redirections < _REDIRECTIONS:
            try:
                return await self._send(address, args, options, asking=asking)
            except MovedError as moved:
                await self._learn(moved, address)
                address, asking = slots.target(moved, address), False
                redirections += 1
            except AskError as asked:
                address, asking = slots.target(asked, address), True
                redirections += 1
            except TryAgainError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(_AGAIN)
        raise ClusterError(f"{args[0]} was redirected {redirections} times")

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
            found = await self._heard(address, pipeline.execute(raise_on_error=False))
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
        well = [address for address in self._masters if address not in _silent]
        listening: PubSub = self._client(random.choice(well or self._masters or [self._seed])).pubsub(**options)  # noqa: S311
        return listening

    async def ping(self, **_: Any) -> bool:  # noqa: ANN401 - redis-py's own signature
        """Whether the whole cluster answers. Raises what the first master raises that does not."""
        await self._known()
        calls = (self._send(address, ("PING",), {}, asking=False) for address in self._masters)
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
        return True

    async def info(self, section: str | None = None, *args: str, **options: Any) -> Any:  # noqa: ANN401 - likewise
        """What the master tells whose memory is fullest: it is the first to refuse."""
        await self._known()
        words = ("INFO", *(word for word in (section, *args) if word is not None))
        found = await asyncio.gather(
            *(self._send(address, words, options, asking=False) for address in self._masters),
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
            return random.choice(self._masters)  # noqa: S311 - spreads load, no secret
        slot = key_slot(self._encoder.encode(key))
        owner = self._owners[slot]
        if owner is None:
            await self._look(self._looks)
            owner = self._owners[slot]
        if owner is None:
            raise ClusterDownError(f"CLUSTERDOWN nobody serves slot {slot}")
        return owner

    async def _send(self, address: Address, args: Sequence[Any], options: dict[str, Any], *, asking: bool) -> Any:  # noqa: ANN401
        client = self._client(address)
        try:
            if not asking:
                return await self._heard(address, client.execute_command(*args, **options))
            # Both on one connection: the permission is for the next command only.
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*args, **options)
            _, answer = await self._heard(address, pipeline.execute(raise_on_error=False))
            if isinstance(answer, Exception):
                raise answer
        except NoScriptError:
            text = self._texts.get(args[1])
            if text is None:
                raise
            return await self._send(address, ("EVAL", text, *args[2:]), options, asking=asking)
        return answer

    async def _heard(self, address: Address, call: Any) -> Any:  # noqa: ANN401
        """Await a call of one node and note whether it answered; if not, find out who has its slots now."""
        looks = self._looks
        try:
            answer = await call
        except _NO_ANSWER:
            _silent.add(address)
            # When nobody answers that, what the call met says it already.
            with suppress(RedisError, OSError):
                await self._look(looks, avoid=address)
            if address not in self._masters:
                _silent.discard(address)
            raise
        except ResponseError:
            _silent.discard(address)
            raise
        _silent.discard(address)
        return answer

    async def _known(self) -> None:
        """Have a map. Raises ClusterDownError while no master has a slot."""
        if not self._masters:
            await self._look(self._looks)
        if not self._masters:
            raise ClusterDownError("CLUSTERDOWN no master serves any slot")

    async def _learn(self, moved: MovedError, sender: Address) -> None:
        """A slot has another owner, and maybe not this one alone: look, and believe `sender` all the same."""
        # Without an answer the redirection itself is all that is known.
        with suppress(RedisError, OSError):
            await self._look(self._looks)
        self._owners[moved.slot_id] = slots.target(moved, sender)

    async def _look(self, looks: int, *, avoid: Address | None = None) -> None:
        """Read the map of slots, unless somebody did since there had been so many `looks`; `avoid` is asked last.

        Raises what the last node raised when none answers.
        """
        async with self._looking:
            if self._looks != looks:
                return
            known = dict.fromkeys([*random.sample(self._masters, len(self._masters)), self._seed])
            fault: Exception = NoConnection("no node is known")
            for address in sorted(known, key=lambda one: one == avoid or one in _silent):
                try:
                    found = await self._client(address).execute_command("CLUSTER SLOTS")
                except _NO_ANSWER as error:
                    fault = error
                else:
                    await self._take(slots.owners(found, address))
                    self._looks += 1
                    return
            raise fault

    async def _take(self, owners: list[Address | None]) -> None:
        """Go by a new map, and let go of nodes that are no masters in it."""
        if owners == self._owners:
            return
        self._owners = owners
        self._masters = list(dict.fromkeys(owner for owner in owners if owner is not None))
        self.turns += 1
        for address in [one for one in self._clients if one not in (*self._masters, self._seed)]:
            _silent.discard(address)
            # Its client stays, for calls under way; without a connection it costs nothing.
            await self._clients[address].connection_pool.disconnect(inuse_connections=False)


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
