"""What the service tells of its jobs besides spans: metrics, and one log line per outcome."""

import logging
import time
from typing import Final

import structlog
from opentelemetry.trace import Span

from services.process.metrics import Metrics
from services.process.orders import Order
from shared import telemetry
from shared.events import ImageProgress
from shared.metrics import priority

log = structlog.get_logger()

_STATES: Final = {"processed": "done", "failed": "failed"}


def began(metrics: Metrics, order: Order) -> None:
    """Work on an entry starts, or it is settled without any."""
    published = int(order.entry.id.split("-")[0])
    waited = max(0.0, time.time() - published / 1000)
    metrics.wait.labels(priority(bulk=order.source.bulk)).observe(waited)
    if order.attempt > 1:
        metrics.redelivered.inc()


def ended(metrics: Metrics, event: ImageProgress, span: Span) -> None:
    """A job was settled."""
    _count(metrics, event)
    if not log.is_enabled_for(logging.INFO):
        return
    log.info(
        "job ended",
        job_id=event.job_id,
        **telemetry.ids(span),
        state=_STATES[event.type],
        code=event.error.code if event.error else None,
        run=event.run,
        attempt=event.attempt,
        cached=event.cached,
        ms=round(sum(event.timings.values()), 1),
    )


def _count(metrics: Metrics, event: ImageProgress) -> None:
    metrics.jobs.labels(event.type, event.error.code if event.error else "").inc()
    if event.cached:
        metrics.cached.inc()
    for name, milliseconds in event.timings.items():
        metrics.steps.labels(name).observe(milliseconds / 1000)
    if event.timings and event.result is not None:
        for spec in event.upload.filters:
            metrics.filters.labels(spec["name"]).inc()
        metrics.bytes.labels("in").inc(event.upload.bytes_in or 0)
        metrics.bytes.labels("out").inc(event.result.bytes)
