"""What the service tells of its jobs besides spans: metrics, and one log line per outcome."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
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


def began(metrics: Metrics, orders: Sequence[Order]) -> None:
    """Work on entries of one stream starts, or they are settled without any."""
    now = time.time() * 1000
    for order in orders:
        metrics.wait.labels(priority(bulk=order.source.bulk)).observe(max(0.0, now - order.entry.number[0]) / 1000)
        if order.attempt > 1:
            metrics.redelivered.inc()


def ended(metrics: Metrics, settled: Sequence[tuple[ImageProgress, Span]]) -> None:
    """Jobs were settled, each in the span of its attempt."""
    for (kind, code), number in Counter(map(_outcome, settled)).items():
        metrics.jobs.labels(kind, code).inc(number)
    for event, _ in settled:
        if event.cached:
            metrics.cached.inc()
        if event.timings:
            _count_work(metrics, event)
    if log.is_enabled_for(logging.INFO):
        for event, span in settled:
            _tell(event, span)


def _outcome(settled: tuple[ImageProgress, Span]) -> tuple[str, str]:
    event, _ = settled
    return event.type, event.error.code if event.error else ""


def _tell(event: ImageProgress, span: Span) -> None:
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


def _count_work(metrics: Metrics, event: ImageProgress) -> None:
    for name, milliseconds in event.timings.items():
        metrics.steps.labels(name).observe(milliseconds / 1000)
    if event.result is not None:
        for spec in event.upload.filters:
            metrics.filters.labels(spec["name"]).inc()
        metrics.bytes.labels("in").inc(event.upload.bytes_in or 0)
        metrics.bytes.labels("out").inc(event.result.bytes)
