"""The spans of code under test in this very process, without a receiver."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler

from shared import telemetry
from shared.trace_context import Recorded


@contextmanager
def recorded(service: str = "test", sampler: Sampler = DEFAULT_ON) -> Iterator[list[Recorded]]:
    """Switch tracing on inside the `with`; the list fills with spans as they end."""
    spans: list[Recorded] = []
    telemetry.tracer.switch_on(service, sampler, spans.append)
    try:
        yield spans
    finally:
        telemetry.tracer.switch_off()
