"""What the ingest service counts (see `shared.metrics`)."""

from prometheus_client import CollectorRegistry

from shared import metrics, telemetry


class Metrics:
    """Counters in a registry of their own, so that several services can live in one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = metrics.HTTP_DURATION.histogram(registry)
        self.keys_unreadable = metrics.KEYS_UNREADABLE.gauge(registry)
        self.uploads = metrics.UPLOADS.counter(registry)
        self.images = metrics.IMAGES.counter(registry)
        self.bytes = metrics.IMAGE_SIZE.histogram(registry)
        self.in_flight = metrics.IN_FLIGHT.gauge(registry)
        metrics.SPANS_DROPPED.asked(registry, lambda: telemetry.dropped("ingest"))
