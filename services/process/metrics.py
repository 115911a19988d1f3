"""What the process service counts. One registry per service object; the pool's children report through it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: Seconds; from a point filter on a thumbnail to the time limit of an image.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Every metric of the process service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.jobs = Counter(
            "darkroom_process_jobs", "Jobs settled, by outcome and error code.", ["outcome", "code"], registry=registry
        )
        self.filters = Counter("darkroom_process_filters", "Filters run, by name.", ["filter"], registry=registry)
        self.steps = Histogram(
            "darkroom_process_step_duration_seconds",
            "Duration of one step.",
            ["step"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.wait = Histogram(
            "darkroom_process_queue_wait_seconds",
            "From publishing to the start of work.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.cached = Counter(
            "darkroom_process_cache_hits", "Jobs answered without touching pixels.", registry=registry
        )
        self.redelivered = Counter(
            "darkroom_process_redeliveries", "Starts of work beyond the first.", registry=registry
        )
        self.lost = Counter(
            "darkroom_process_lost_entries", "Entries that were taken over meanwhile.", registry=registry
        )
        self.dead_letters = Counter(
            "darkroom_process_dead_letters", "Entries made dead letters.", ["code"], registry=registry
        )
        self.bytes = Counter(
            "darkroom_process_bytes", "Bytes of images, by direction.", ["direction"], registry=registry
        )
        self.children = Gauge("darkroom_pool_children", "Live pool processes.", registry=registry)
        self.busy = Gauge("darkroom_pool_busy", "Pool processes that develop an image now.", registry=registry)
        self.resident = Gauge(
            "darkroom_pool_resident_bytes", "Resident memory of all pool processes.", registry=registry
        )
        self.restarts = Counter(
            "darkroom_pool_restarts", "Pool processes replaced, by reason.", ["reason"], registry=registry
        )
        self.lag = Gauge(
            "darkroom_stream_lag", "Entries not yet read by the group.", ["stream", "group"], registry=registry
        )
        self.pending = Gauge(
            "darkroom_stream_pending", "Entries read and not acknowledged.", ["stream", "group"], registry=registry
        )
        self.length = Gauge("darkroom_stream_length", "Entries in the stream.", ["stream"], registry=registry)
        self.oldest = Gauge(
            "darkroom_stream_oldest_seconds",
            "Age of the oldest unacknowledged entry.",
            ["stream", "group"],
            registry=registry,
        )
