"""The life of a service process: configure, start, serve until a signal, drain, exit 0."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import structlog
import uvicorn
from prometheus_client import CollectorRegistry

from shared import garbage, telemetry
from shared.guarded import Guarded
from shared.health import Health, admin_app
from shared.schema import WrongSchema
from shared.settings import Settings
from shared.store_identity import ForeignStore

log = structlog.get_logger()


class Service(Protocol):
    """What `serve` runs. `app` is the public ASGI app, if the service has one."""

    name: str
    health: Health
    registry: CollectorRegistry

    @property
    def settings(self) -> Settings: ...

    @property
    def app(self) -> Any | None: ...  # noqa: ANN401 - any ASGI app

    async def start(self) -> None: ...

    async def watch(self) -> None:
        """Run beside the service once it started: ends when there is nothing left to find, raises what must end it."""

    async def refresh_metrics(self) -> None:
        """Bring gauges up to date before a scrape."""

    async def drain(self) -> None:
        """Stop taking work, finish what is under way, let go of everything."""


def run(service: Service, *, host: str = "127.0.0.1", port: int | None = None) -> None:
    """Run one service until SIGTERM or SIGINT, then drain it; the admin port serves from start to end.

    Exits with 1 and a sentence on a store or data that are not those of the other services, whenever it finds out.
    """
    settings = service.settings
    telemetry.configure(service.name, level=settings.log_level, log_format=settings.log_format)
    try:
        run_all([service], app=service.app, host=host, port=port)
    finally:
        telemetry.flush()


def run_all(services: Sequence[Service], *, app: Any | None, host: str, port: int | None) -> None:  # noqa: ANN401
    """Serve several services in a loop of their own (see `serve`), and exit as `run` does."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(services, app=app, host=host, port=port))
    except (ForeignStore, WrongSchema) as error:
        # The operator's to mend: said in a sentence, and no traceback.
        names = " and ".join(service.name for service in services)
        sys.exit(f"{names} cannot run. {error}")


def loop_factory() -> Any:  # noqa: ANN401 - uvloop ships no types
    """The loop of uvloop where there is one (not on Windows), 6 to 23 % less CPU per message."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


async def serve(services: Sequence[Service], *, app: Any | None, host: str, port: int | None) -> None:  # noqa: ANN401
    """Serve the admin ports of `services`, and `app` on a public port, until a signal asks to stop."""
    stop = stop_signal()
    servers = [
        Server(
            Guarded(admin_app(s.health, s.registry, s.refresh_metrics)), s.settings.admin_host, s.settings.admin_port
        )
        for s in services
    ]
    for server in servers:
        await server.start()
    started: list[Service] = []
    public: Server | None = None
    try:
        for service in services:
            started.append(service)
            if not await _start(service, stop):
                return
        if app is not None and port is not None:
            public = Server(app, host, port)
            await public.start()
        garbage.spare_what_lasts()
        log.info("ready", admin_ports=[server.port for server in servers], port=public.port if public else None)
        await _stopped(services, stop)
    finally:
        log.info("draining")
        for service in services:
            service.health.draining = True
        # Streams of events have no end of their own, so the public server goes first but does not wait for them.
        if public is not None:
            await public.stop()
        for service in reversed(started):
            await service.drain()
        for server in servers:
            await server.stop()
    log.info("stopped")


async def _start(service: Service, stop: asyncio.Event) -> bool:
    """Start a service; false when a signal came first: starting waits for servers that are away, a drain does not."""
    starting = asyncio.create_task(service.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        while not starting.done():
            # Once may not do: redis-py can swallow a cancellation that meets it while it connects.
            starting.cancel()
            await asyncio.wait({starting}, timeout=0.2)
    if starting.cancelled():
        return False
    starting.result()
    return True


async def _stopped(services: Sequence[Service], stop: asyncio.Event) -> None:
    """Wait for the signal; raises what a service finds that must end it."""
    watching = asyncio.gather(*(service.watch() for service in services))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((stopping, watching), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        await stopping
    finally:
        stopping.cancel()
        while not watching.done():
            # Once may not do, see `_start`.
            watching.cancel()
            await asyncio.wait({watching}, timeout=0.2)


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


class Server:
    """A web server inside our own loop and under our own signal handlers."""

    def __init__(self, app: Any, host: str, port: int, *, grace: int = 5) -> None:  # noqa: ANN401 - any ASGI app
        self._socket = bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=grace,
            server_header=False,
            ws="none",
        )
        self._server = _QuietServer(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; returns when connections are accepted, raises what kept the server from it."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            listening.cancel()
            self._task.result()

    async def stop(self) -> None:
        """Refuse new connections, let requests under way finish within the grace (seconds), then close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


class _QuietServer(uvicorn.Server):
    """A server of uvicorn without its signal handling, which would raise the signal once more at its end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket; raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    except OSError:
        listener.close()
        raise
    return listener
