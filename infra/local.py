"""The whole system on this machine, as `darkroom up` runs it: an embedded Valkey and the three services.

    up ─┬─ valkey-server            (unless DARKROOM_REDIS_URL names another server)
        ├─ jaeger                   (with --traces)
        ├─ services.process         the pool that develops
        └─ infra.origin             ingest and results on one port

Everything it keeps is under the data directory.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from pydantic import ValidationError

from infra import addresses, jaeger, ports, server
from infra.addresses import Addresses
from infra.datadir import locked, own_secret
from infra.errors import CannotStart, WrongUsage
from infra.jaeger import Jaeger
from infra.readiness import Progress, embedded_ready, foreign_ready, stack_ready
from infra.supervisor import Child, Program
from shared import logs
from shared.access import AccessSettings
from shared.api_keys import KeyFileError, read_keys
from shared.exposure import is_loopback
from shared.secret_files import SecretFileError

log = structlog.get_logger()

#: Set before the process service starts: large buffers stay on the heap and keep their pages, which saves a third of a
#: large decode (see docs/performance.md). The names are glibc's, another C library ignores them.
MALLOC: Final = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31)}
#: API keys of a stack, in its data directory.
KEY_FILE: Final = "keys.json"
#: Seconds beyond its own drain that a service may take before it is killed.
_MARGIN: Final = 5.0


@dataclass(frozen=True)
class _Plan:
    """What was asked for, and the ports chosen for it."""

    host: str
    port: int
    data_dir: Path
    workers: int | None
    admin: Mapping[str, int]
    key_file: Path | None
    jaeger: Jaeger | None

    @property
    def http(self) -> str:
        return ports.url(self.host, self.port)

    @property
    def admin_urls(self) -> dict[str, str]:
        return {name: ports.url("127.0.0.1", port) for name, port in self.admin.items()}


def up(
    host: str = "127.0.0.1",
    port: int = 8080,
    data_dir: Path = Path(".darkroom"),
    workers: int | None = None,
    *,
    traces: bool = False,
    json: bool = False,
) -> int:
    """Run the stack until SIGTERM, SIGINT or SIGHUP and drain it; returns the exit code.

    `port` 0 picks a free one, `workers` none is one per core. With `traces` a Jaeger found on PATH runs beside it. With
    `json` one line tells the addresses on standard
    output once everything is ready; otherwise two lines for people do.
    """
    data_dir = data_dir.absolute()
    try:
        settings = _settings()
        logs.configure("up", level=settings.log_level, log_format=settings.log_format)
        key_file = _key_file(data_dir)
        _check_host(host, key_file, insecure=settings.insecure)
        with locked(data_dir) as lock:
            admin = {name: ports.free_port("127.0.0.1") for name in ("ingest", "process", "results")}
            traced = jaeger.beside(data_dir) if traces else None
            plan = _Plan(host, ports.claim(host, port), data_dir, workers, admin, key_file, traced)
            asyncio.run(_run(plan, settings, lock=lock, json=json))
    except CannotStart as error:
        print(f"darkroom: {error}", file=sys.stderr)  # noqa: T201 - said to the person who ran the command
        return error.exit_code
    except asyncio.CancelledError:
        return 128 + signal.SIGINT
    return 0


def _settings() -> AccessSettings:
    try:
        return AccessSettings()
    except (ValidationError, SecretFileError) as error:
        raise WrongUsage(f"The environment has a wrong setting: {error}") from error


def _key_file(data_dir: Path) -> Path | None:
    """The API keys to use: the file that the environment names, else the one in the data directory if there is one."""
    named = os.environ.get("DARKROOM_API_KEYS_FILE")
    if named:
        return Path(named).absolute()
    own = data_dir / KEY_FILE
    return own if own.exists() else None


def _check_host(host: str, key_file: Path | None, *, insecure: bool) -> None:
    try:
        keys = read_keys(key_file) if key_file is not None else []
    except KeyFileError as error:
        raise WrongUsage(f"{key_file}: {error}.") from error
    if keys or is_loopback(host) or insecure:
        return
    raise WrongUsage(
        f"{host} can be reached from other machines, and there are no API keys: anybody there could use this "
        "Darkroom. Make one with 'darkroom keys add NAME', or stay on 127.0.0.1. DARKROOM_INSECURE=1 opens it all the "
        "same, for a network that is closed itself."
    )


async def _run(plan: _Plan, settings: AccessSettings, *, lock: int, json: bool) -> None:
    stop = _stop_request()
    async with AsyncExitStack() as stack:
        start = asyncio.create_task(_start(plan, settings, stack, lock=lock))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            # What had started is on the stack already, and ends with it.
            start.cancel()
            await asyncio.wait({start})
            return
        _announce(start.result(), plan.jaeger, json=json)
        await stopping
        log.info("draining", grace=settings.drain_grace)


async def _start(plan: _Plan, settings: AccessSettings, stack: AsyncExitStack, *, lock: int) -> Addresses:
    progress = Progress()
    if "redis_url" in settings.model_fields_set:
        redis_url = settings.redis_url
        await foreign_ready(redis_url)
    else:
        own = server.embedded(plan.data_dir, lock=lock)
        redis_url = own.url
        redis = Child(own.program)
        stack.push_async_callback(redis.stop)
        await redis.start()
        progress.watch(redis)
        await embedded_ready(own, progress)

    services = [Child(program) for program in _services(plan, settings, redis_url)]
    stack.push_async_callback(_stop_together, services)
    for service in services:
        await service.start()
        progress.watch(service)
    await stack_ready(plan.http, plan.admin_urls, progress)

    known = Addresses(plan.http, redis_url, plan.admin_urls, os.getpid(), str(plan.data_dir))
    addresses.write(plan.data_dir, known)
    return known


def _services(plan: _Plan, settings: AccessSettings, redis_url: str) -> list[Program]:
    environment = {
        "DARKROOM_BLOB_URL": (plan.data_dir / "blobs").as_uri(),
        **os.environ,
        "DARKROOM_REDIS_URL": redis_url,
        "DARKROOM_ADMIN_HOST": "127.0.0.1",
        **(plan.jaeger.environment if plan.jaeger else {}),
    }
    # They are in the URL by now.
    for name in ("DARKROOM_REDIS_URL_FILE", "DARKROOM_REDIS_PASSWORD", "DARKROOM_REDIS_PASSWORD_FILE"):
        environment.pop(name, None)
    if "redis_url" not in settings.model_fields_set:
        # Server and store are of one data directory, so there is nothing to mix up.
        environment.setdefault("DARKROOM_STORE_CHECK", "false")
    if _only_for_this_machine(plan, settings):
        environment.setdefault("DARKROOM_WEBHOOK_ALLOW_LOOPBACK", "true")
    if plan.key_file is not None:
        environment["DARKROOM_API_KEYS_FILE"] = str(plan.key_file)
    elif settings.insecure:
        # Open to everybody under whatever name they know the machine by.
        environment.setdefault("DARKROOM_ALLOWED_HOSTS", "*")
    environment.setdefault("DARKROOM_LINK_SECRET_FILE", str(own_secret(plan.data_dir / "link-secret")))
    process = {**MALLOC, **environment, "DARKROOM_ADMIN_PORT": str(plan.admin["process"])}
    if plan.workers is not None:
        process["DARKROOM_WORKERS"] = str(plan.workers)
    origin = [
        *("infra.origin", "--host", plan.host, "--port", str(plan.port)),
        *("--ingest-admin-port", str(plan.admin["ingest"]), "--results-admin-port", str(plan.admin["results"])),
    ]
    grace = settings.drain_grace + _MARGIN
    return [
        *([plan.jaeger.program] if plan.jaeger else []),
        Program("process", [sys.executable, "-m", "services.process"], process, grace),
        Program("origin", [sys.executable, "-m", *origin], environment, grace),
    ]


def _only_for_this_machine(plan: _Plan, settings: AccessSettings) -> bool:
    """Whether nobody can ask for anything here who could not reach the loopback without us.

    Pages of other sites do not count, as the front door turns them away; ones that the settings let in do, and so do
    whoever asks through a proxy that made further host names known, and whoever writes into a Redis of somebody else.
    """
    opened = settings.insecure or settings.allowed_hosts or settings.cors_origins
    shared = "redis_url" in settings.model_fields_set
    return is_loopback(plan.host) and plan.key_file is None and not opened and not shared


async def _stop_together(children: list[Child]) -> None:
    await asyncio.gather(*(child.stop() for child in children))


def _announce(known: Addresses, traced: Jaeger | None, *, json: bool) -> None:
    if json:
        print(known.to_json(), flush=True)  # noqa: T201 - the answer of the command
        return
    print(f"Darkroom is ready: open {known.http}", flush=True)  # noqa: T201
    if traced is not None:
        print(f"Traces are at {traced.page}; each job page links to its own.", flush=True)  # noqa: T201
    print(f"Everything it keeps is in {known.data_dir}; Ctrl-C stops it.", flush=True)  # noqa: T201


def _stop_request() -> asyncio.Event:
    """An event that the first signal sets; the second one cancels the drain, which kills what is left."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    running = asyncio.current_task()

    def request() -> None:
        if stop.is_set() and running is not None:
            running.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, request)
    return stop
