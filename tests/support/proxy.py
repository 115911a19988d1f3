"""A TCP proxy between the services and their server: the network, which a test can cut, choke and lead elsewhere."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from infra.ports import free_port


class Proxy:
    """Forwards connections to `upstream`, a port of the loopback; runs in a thread of its own."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = free_port("127.0.0.1")
        #: Cut off: open connections end, new ones are refused.
        self._down = False
        #: Choked: bytes are taken and go nowhere.
        self.choked = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None

    def cut(self) -> None:
        """End every connection and take no more."""
        self._call(self._close())

    def mend(self) -> None:
        """Take connections again, and let bytes through."""
        self.choked = False
        if self._server is None:
            self._call(self._listen())

    def _call(self, coroutine: object) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        # Each connection takes itself off the list when it ends; one turn of the loop at a time is enough.
        while self._writers:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, out = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, out}
        await asyncio.gather(self._pump(reader, out), self._pump(there, writer))
        self._writers -= {writer, out}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not self.choked:
                    await self._pass(data, sink)
        sink.transport.abort()

    async def _pass(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        sink.write(data)
        await sink.drain()

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._call(self._listen())
        try:
            yield self
        finally:
            self._call(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()
