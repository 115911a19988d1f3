"""Live and ready, told truthfully, and the admin port that serves them with the metrics.

Live means the event loop turns. Ready means that every named check passed just now: Redis answers, the readers run,
the store answers. A check is an async callable that raises when its part is not well.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.errors import DarkroomError

Check = Callable[[], Awaitable[None]]

#: Seconds one check may take before it counts as failed.
CHECK_TIMEOUT: Final = 2.0


class Health:
    """The state of one service, from named checks."""

    def __init__(self, service: str, version: str, *, is_public: bool = False) -> None:
        """With `is_public` strangers read it: errors that are not of Darkroom are named and not quoted."""
        self._is_public = is_public
        self.service = service
        self.version = version
        self._checks: dict[str, Check] = {}
        self._started = time.monotonic()
        #: Set while draining: the service is alive, but wants no new work.
        self.draining = False

    def add(self, name: str, check: Check) -> None:
        self._checks[name] = check

    async def report(self) -> dict[str, Any]:
        """`status` is ok, draining or unavailable; `checks` says for each part `ok` or what is wrong."""
        names = list(self._checks)
        outcomes = await asyncio.gather(*(self._run(self._checks[name]) for name in names))
        checks = dict(zip(names, outcomes, strict=True))
        # A service adds its checks when it has started; before, there is nothing to be ready.
        well = bool(outcomes) and all(outcome == "ok" for outcome in outcomes)
        return {
            "status": "draining" if self.draining else "ok" if well else "unavailable",
            "service": self.service,
            "version": self.version,
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "uptime": round(time.monotonic() - self._started, 3),
            "checks": checks,
        }

    async def _run(self, check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await check()
        except TimeoutError:
            return f"no answer within {CHECK_TIMEOUT:g} s"
        except DarkroomError as error:
            return f"{type(error).__name__}: {error.message}"
        except Exception as error:  # noqa: BLE001 - whatever a part raises is what its health is
            name = type(error).__name__
            return name if self._is_public else f"{name}: {error}"
        return "ok"


def health_routes(health: Health) -> list[Route]:
    """`/health`, `/health/live` and `/health/ready`; 503 where the answer is no."""

    async def whole(_: Request) -> Response:
        report = await health.report()
        return JSONResponse(report, status_code=200 if report["status"] == "ok" else 503)

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return [Route("/health", whole), Route("/health/live", live), Route("/health/ready", whole)]


def admin_app(health: Health, registry: CollectorRegistry, refresh: Check | None = None) -> Starlette:
    """The app of the admin port. `refresh` is awaited before each scrape to bring gauges up to date."""

    async def metrics(_: Request) -> Response:
        if refresh is not None:
            await refresh()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[*health_routes(health), Route("/metrics", metrics)])
