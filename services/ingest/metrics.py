"""What the ingest service counts. Every name is in `otel/schema.yaml`."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: Bounds in seconds: an upload of 20 KB takes a millisecond, one of 64 MB over a slow line a minute.
_DURATIONS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
#: Bounds in bytes.
_SIZES: Final = (1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8)


class Metrics:
    """Counters in a registry of their own, so that several services can live in one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "darkroom_http_requests",
            "HTTP requests, by route and status.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.durations = Histogram(
            "darkroom_http_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ("method", "route"),
            buckets=_DURATIONS,
            registry=registry,
        )
        self.uploads = Counter(
            "darkroom_uploads", "Upload requests, by outcome: accepted, repeated or an error code.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        self.images = Counter("darkroom_images_accepted", "Images that became jobs.", ("priority",), registry=registry)
        self.bytes = Histogram(
            "darkroom_image_bytes", "Bytes of accepted images.", buckets=_SIZES, registry=registry
        )  # fmt: skip
        self.in_flight = Gauge(
            "darkroom_upload_bytes_in_flight", "Bytes of uploads on their way in.", registry=registry
        )  # fmt: skip

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; `route` is a template, never a path with ids in it."""
        self.requests.labels(method, route, status).inc()
        self.durations.labels(method, route).observe(seconds)
