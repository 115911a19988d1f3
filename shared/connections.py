"""Connections to Redis that tell the truth soon: no silent retries, no answer awaited for ever, no former master kept.

redis-py repeats a call up to ten times with growing pauses before it says that a server is away. Whoever calls here
waits out an outage itself (`shared.outage`), so that it can be logged once and told by the readiness check.
"""

import math
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import BlockingConnectionPool, Connection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import DataError, ResponseError
from redis.exceptions import TimeoutError as NoAnswer
from redis.typing import EncodableT

from shared.cluster import ClusterRedis
from shared.patience import Patience
from shared.scripts import RedisClient
from shared.slots import Address

#: Seconds to wait for a connection, and for an answer; longer than any read of ours blocks.
CONNECT_TIMEOUT: Final = 2.0
ANSWER_TIMEOUT: Final = 5.0
#: Seconds that a read of ours may block at most.
SHORTEST_ANSWER: Final = 0.5

#: What a server answers that was the master and is none any more. The address may lead to the new master by now, but
#: only a new connection finds that out.
_DEMOTED: Final = ("READONLY", "UNBLOCKED", "MASTERDOWN")


#: How often each server (host and port) was found to be no master any more.
_demotions: Counter[tuple[str, int]] = Counter()


class _Frank:
    """A connection that says so when it is closed, and is closed when its server is no master any more.

    Once one connection found that out, all others to the same address are closed before their next command, lest each
    of them finds it out for itself.
    """

    #: The demotions known when this connection was opened.
    _known = 0

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - redis-py's own signature
        super().__init__(*args, **options)
        self._patience = Patience(options["socket_timeout"])

    async def connect_check_health(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - redis-py's own signature
        if not self.is_connected:  # type: ignore[attr-defined] # of the connection mixed in
            self._known = _demotions[self._address]
        await super().connect_check_health(*args, **options)  # type: ignore[misc] # likewise

    @property
    def _address(self) -> tuple[str, int]:
        return getattr(self, "host", ""), getattr(self, "port", 0)

    async def send_packed_command(
        self,
        command: str | bytes | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's own signature
    ) -> None:
        if self._known != _demotions[self._address]:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined] # of the connection mixed in
        try:
            if isinstance(command, list) and self._is_clear():
                # redis-py makes a task and a timer to wait until it is sent. The wait for the answer bounds both.
                self._writer.writelines(command)  # type: ignore[attr-defined] # likewise
            else:
                await super().send_packed_command(command, check_health)  # type: ignore[misc] # likewise
        except RuntimeError as error:
            # What uvloop says when the other side closed the connection just now.
            await self.disconnect(nowait=True)  # type: ignore[attr-defined] # likewise
            raise NoConnection(str(error)) from error

    def _is_clear(self) -> bool:
        """Whether it is open and all that was sent before is on its way."""
        writer = self._writer if self.is_connected else None  # type: ignore[attr-defined] # likewise
        return writer is not None and not writer.transport.is_closing() and not writer.transport.get_write_buffer_size()

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """Pack in C: redis-py's asyncio connections do it in Python, a third of the CPU time of a busy service."""
        # A command of two words, such as CONFIG SET, comes as one argument.
        name = args[0].encode() if isinstance(args[0], str) else bytes(args[0])  # type: ignore[arg-type] # a name
        try:
            return [hiredis.pack_command((*name.split(), *args[1:]))]  # type: ignore[arg-type] # its stub says one
        except TypeError as error:
            raise DataError(str(error)) from error

    async def read_response(self, *args: Any, timeout: float | None = None, **options: Any) -> Any:  # noqa: ANN401, ASYNC109 - redis-py's own signature
        try:
            if timeout is not None:
                return await super().read_response(*args, timeout=timeout, **options)  # type: ignore[misc] # of the connection mixed in
            return await self._patience.wait(super().read_response(*args, timeout=math.inf, **options))  # type: ignore[misc] # likewise
        except TimeoutError as error:
            # Whoever reads and is cancelled has closed the connection.
            raise NoAnswer("The server did not answer in time.") from error
        except ResponseError as error:
            if told_by(error) in _DEMOTED:
                if self._known == _demotions[self._address]:
                    _demotions[self._address] += 1
                await self.disconnect(nowait=True)  # type: ignore[attr-defined] # likewise
            raise


class _Connection(_Frank, Connection):
    pass


class _SecureConnection(_Frank, SSLConnection):
    pass


#: Connections of a pool that has no limit of its own: redis-py would refuse the hundred and first.
_NO_LIMIT: Final = 1_000_000


def connect(
    url: str,
    *,
    cluster: bool = False,
    most: int | None = None,
    answer_timeout: float = ANSWER_TIMEOUT,
    repeat: bool = True,
) -> RedisClient:
    """A client of the server at `url`, or of the Redis Cluster that it is a node of.

    With `most`, at most so many connections (to each node); who finds none free waits for one. A call fails with what
    redis-py raises after `answer_timeout` seconds. One whose connection broke is sent once more; without `repeat` it is
    not, for commands that must not run twice. Raises ValueError for a cluster with a database of another number than 0.
    """
    options: dict[str, Any] = {
        "socket_timeout": answer_timeout,
        "socket_connect_timeout": min(CONNECT_TIMEOUT, answer_timeout),
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), int(repeat), supported_errors=(NoConnection,)),
    }
    opener = partial(_open, url, options, most)
    if not cluster:
        return opener(None)
    known = ConnectionPool.from_url(url).connection_kwargs
    if known.get("db") or "path" in known:
        raise ValueError("a Redis Cluster is reached by host and port, and has the database 0 alone")
    seed = (known.get("host", "localhost"), known.get("port", 6379))
    return ClusterRedis(opener, seed, patience=answer_timeout, repeat=repeat)


def _open(url: str, options: dict[str, Any], most: int | None, address: Address | None) -> RedisClient:
    """A client of the server at `url`, or at another address with the login and the encryption of that one."""
    if most is None:
        pool: ConnectionPool = ConnectionPool.from_url(url, max_connections=_NO_LIMIT, **options)
    else:
        pool = BlockingConnectionPool.from_url(url, max_connections=most, timeout=options["socket_timeout"], **options)
    if urlsplit(url).scheme != "unix":
        pool.connection_class = _SecureConnection if urlsplit(url).scheme == "rediss" else _Connection
    if address is not None:
        pool.connection_kwargs.update(host=address[0], port=address[1])
    return Redis.from_pool(pool)


def patience(lease: float) -> float:
    """Seconds to wait for an answer in a process whose leases last so many seconds.

    A server that is stuck must be noticed before they run out, and no read that blocks may count as stuck.
    """
    return max(2 * SHORTEST_ANSWER, min(ANSWER_TIMEOUT, lease / 2))


def told_by(error: Exception) -> str:
    """The code in front of an answer of the server, `READONLY` for example.

    redis-py cuts the code off where it has a class of its own; its name then stands for it.
    """
    kind = type(error).__name__
    known = {"ReadOnlyError": "READONLY", "MasterDownError": "MASTERDOWN", "BusyLoadingError": "LOADING"}
    return known.get(kind) or str(error).split(" ", 1)[0]
