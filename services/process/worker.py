"""One child of the pool, seen from the service's event loop."""

import asyncio
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import TYPE_CHECKING, Final

import msgspec

from services.process.messages import Reply, decode_reply
from services.process.request import Report, Request
from shared.errors import TimedOut, WorkerCrashed

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: Environment of the children. Large blocks stay with the process instead of going back to the kernel after each
#: image, which saves the page faults of the next one; glibc reads this before main.
ENVIRONMENT: Final = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "2147483648",
    "OPENCV_LOG_LEVEL": "SILENT",
}
#: Seconds that a new child may take to get warm; kernels may have to be compiled.
_START_LIMIT: Final = 120.0
#: Seconds to wait for a killed process to be gone.
_KILL_LIMIT: Final = 5.0

#: Held while a process is being started.
_starting: Final = threading.Lock()


class EngineFault(Exception):
    """A defect of the engine itself, not of an image; holds the child's traceback."""


def prepare() -> BaseContext:
    """Start the fork server, with the environment of the children; call from the main thread.

    The fork server is tied to the thread that started it, which must live as long as the pool. Where forking is not
    safe after imports (macOS), children are spawned instead.
    """
    if sys.platform != "linux":
        os.environ.update(ENVIRONMENT)
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["services.process.preload"])
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        with _without_main():
            forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return context


class Worker:
    """A warm child process. It works on one request at a time; after any error but EngineFault it is dead."""

    def __init__(self, process: BaseProcess, connection: "Connection[bytes, bytes]") -> None:
        self._process = process
        self._connection = connection
        #: Resident memory in bytes: when it was warm, and after its latest image.
        self.base = 0
        self.resident = 0

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @classmethod
    async def start(cls, context: BaseContext, blob_url: str, memory_limit: int) -> "Worker":
        """Start a child and wait until it is warm. Raises WorkerCrashed when it does not get there."""
        ours, theirs = context.Pipe()
        process = context.Process(  # type: ignore[attr-defined] # typeshed leaves it out of BaseContext
            target=_serve, args=(theirs, blob_url, memory_limit), name="darkroom-worker", daemon=True
        )
        try:
            await asyncio.to_thread(_start, process)
        except (EOFError, OSError) as error:
            ours.close()
            raise WorkerCrashed("The fork server died while it started a worker.") from error
        finally:
            theirs.close()
        worker = cls(process, ours)
        try:
            async with asyncio.timeout(_START_LIMIT):
                reply = await worker._receive()
        except (TimeoutError, asyncio.CancelledError, WorkerCrashed):
            await worker.kill()
            raise
        worker.base = worker.resident = reply.resident
        return worker

    def take(self, request: Request) -> bool:
        """Hand the process an image, which `develop` then waits for. False: it died before, while it had nothing to do.

        Whether it is alive does not tell: a process that was killed counts as alive until the fork server noticed.
        """
        try:
            self._connection.send_bytes(msgspec.msgpack.encode(request))
        except OSError:
            return False
        return True

    async def develop(self, time_limit: float) -> Report:
        """Wait for the image it took. Raises TimedOut after `time_limit` seconds, WorkerCrashed, EngineFault.

        When it is cancelled, or raises one of the first two, the process must be killed.
        """
        try:
            async with asyncio.timeout(time_limit):
                reply = await self._receive()
        except TimeoutError as error:
            raise TimedOut(f"Developing this picture took more than {time_limit:g} s.", allowed=time_limit) from error
        except OSError as error:
            raise WorkerCrashed("The worker died while it developed this picture.") from error
        self.resident = reply.resident
        if reply.report is None:
            raise EngineFault(reply.fault)
        return reply.report

    async def kill(self) -> None:
        """End the process at once and let go of it."""
        self._process.kill()
        self._connection.close()
        await asyncio.to_thread(self._process.join, _KILL_LIMIT)

    async def _receive(self) -> Reply:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        descriptor = self._connection.fileno()
        loop.add_reader(descriptor, _settle, ready)
        try:
            await ready
        finally:
            loop.remove_reader(descriptor)
        try:
            return decode_reply(self._connection.recv_bytes())
        except (EOFError, msgspec.DecodeError) as error:
            raise WorkerCrashed("The worker died while it developed this picture.") from error


def _start(process: BaseProcess) -> None:
    with _without_main():
        process.start()


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep children from importing the program's main module again: a second and tens of MiB each, for nothing."""
    with _starting:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _settle(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _serve(connection: "Connection[bytes, bytes]", blob_url: str, memory_limit: int) -> None:
    from services.process.child import serve  # noqa: PLC0415 - keeps OpenCV out of the parent

    serve(connection, blob_url, memory_limit)
