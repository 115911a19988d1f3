"""What the process service counts (see `shared.metrics`); the pool's children report through it."""

from prometheus_client import CollectorRegistry

from shared import metrics, telemetry
from shared.stream_gauges import StreamGauges


class Metrics:
    """Every metric of the process service, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.jobs = metrics.ATTEMPTS.counter(registry)
        self.filters = metrics.FILTERS.counter(registry)
        self.steps = metrics.STEP_DURATION.histogram(registry)
        self.wait = metrics.QUEUE_WAIT.histogram(registry)
        self.cached = metrics.CACHE_HITS.counter(registry)
        self.redelivered = metrics.REDELIVERIES.counter(registry)
        self.lost = metrics.LOST.counter(registry)
        self.dead_letters = metrics.BURIED.counter(registry)
        self.bytes = metrics.PIXEL_BYTES.counter(registry)
        self.children = metrics.CHILDREN.gauge(registry)
        self.busy = metrics.BUSY.gauge(registry)
        self.resident = metrics.RESIDENT.gauge(registry)
        self.restarts = metrics.RESTARTS.counter(registry)
        self.streams = StreamGauges(registry)
        metrics.SPANS_DROPPED.asked(registry, lambda: telemetry.dropped("process"))
