"""Every metric of every service: its name, meaning, labels and bounds. `otel/schema.yaml` declares them once more.

Names follow OpenTelemetry where it has one (`http.server.request.duration`) and begin with `darkroom_` elsewhere; units
are seconds and bytes. Every label has few values: templates of routes, codes of `shared.errors`, names of filters and
steps, streams of our partitions; never an id, an owner or a path.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

# Prometheus has no use for a second series per counter that says when it began.
disable_created_metrics()  # type: ignore[no-untyped-call] # its author left the types out

Kind = Literal["counter", "gauge", "histogram"]

#: Seconds: from a point filter on a thumbnail, or a small request, to an upload over a slow line or the time limit.
_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
#: Seconds: from an answer out of the cache to a long queue.
_LONG: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
#: Bytes of an image.
_SIZES: Final = (1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8)


class _Remembering:
    """A metric that looks each of its children up once: its author's `labels` takes 2 µs, ten times as long.

    A child is never removed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - its author's own signature
        self._children: dict[tuple[str, ...], Any] = {}
        super().__init__(*args, **options)

    def labels(self, *values: str) -> Any:  # noqa: ANN401 - the metric itself with values
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = super().labels(*values)  # type: ignore[misc] # of the metric mixed in
        return child


class _Counter(_Remembering, Counter):  # type: ignore[misc] # labels are given in order here
    pass


class _Histogram(_Remembering, Histogram):  # type: ignore[misc] # likewise
    pass


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. A counter is exposed with `_total` behind its name, a histogram as `_bucket`, `_sum`, `_count`."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    def counter(self, registry: CollectorRegistry) -> Counter:
        return _Counter(self.name, self.meaning, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry) -> Gauge:
        return Gauge(self.name, self.meaning, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        return _Histogram(self.name, self.meaning, self.labels, buckets=self.bounds, registry=registry)

    def asked(self, registry: CollectorRegistry, value: Callable[[], float]) -> None:
        """Expose a counter that somebody else keeps; `value` tells it."""
        registry.register(_Asked(self, value))


class _Asked(Collector):
    def __init__(self, metric: Metric, value: Callable[[], float]) -> None:
        self._metric = metric
        self._value = value

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._metric.name, self._metric.meaning, value=self._value())


# HTTP, ingest and results
HTTP_DURATION: Final = Metric(
    "http_server_request_duration_seconds",
    "histogram",
    "Time from a request to the end of its answer.",
    ("http_request_method", "http_route", "http_response_status_code", "url_scheme"),
    _SHORT,
)
KEYS_UNREADABLE: Final = Metric(
    "darkroom_api_keys_unreadable", "gauge", "1 while the file of API keys cannot be read, so that old keys stay valid."
)

# Every service
SPANS_DROPPED: Final = Metric(
    "darkroom_spans_dropped", "counter", "Spans for which there was no room, or that the receiver did not take."
)

# Ingest
UPLOADS: Final = Metric(
    "darkroom_uploads", "counter", "Upload requests, by outcome: accepted, repeated or an error code.", ("outcome",)
)
IMAGES: Final = Metric("darkroom_images_accepted", "counter", "Images that became jobs.", ("priority",))
IMAGE_SIZE: Final = Metric("darkroom_image_size_bytes", "histogram", "Sizes of accepted images.", (), _SIZES)
IN_FLIGHT: Final = Metric("darkroom_upload_in_flight_bytes", "gauge", "Bytes of uploads on their way in.")

# Process
ATTEMPTS: Final = Metric(
    "darkroom_process_jobs", "counter", "Jobs settled, by event (processed, failed) and error code.", ("event", "code")
)
FILTERS: Final = Metric("darkroom_process_filters", "counter", "Filters run, by name.", ("filter",))
STEP_DURATION: Final = Metric(
    "darkroom_process_step_duration_seconds", "histogram", "Duration of one step of an image.", ("step",), _SHORT
)
QUEUE_WAIT: Final = Metric(
    "darkroom_process_queue_wait_seconds", "histogram", "From publishing to the start of work.", ("priority",), _LONG
)
CACHE_HITS: Final = Metric("darkroom_process_cache_hits", "counter", "Jobs answered without touching pixels.")
REDELIVERIES: Final = Metric("darkroom_process_redeliveries", "counter", "Starts of work on an entry after its first.")
LOST: Final = Metric("darkroom_process_lost_entries", "counter", "Entries taken over by another worker meanwhile.")
BURIED: Final = Metric("darkroom_process_buried_entries", "counter", "Entries made dead letters, by code.", ("code",))
PIXEL_BYTES: Final = Metric(
    "darkroom_process_image_bytes", "counter", "Bytes of images read and written.", ("direction",)
)
CHILDREN: Final = Metric("darkroom_pool_children", "gauge", "Live processes of the pool.")
BUSY: Final = Metric("darkroom_pool_busy_children", "gauge", "Processes of the pool that develop an image now.")
RESIDENT: Final = Metric("darkroom_pool_resident_bytes", "gauge", "Resident memory of all processes of the pool.")
RESTARTS: Final = Metric("darkroom_pool_restarts", "counter", "Processes of the pool replaced, by reason.", ("reason",))

# Results
JOBS: Final = Metric(
    "darkroom_jobs", "counter", "Jobs that ended, by state (done, failed, cancelled) and error code.", ("state", "code")
)
JOB_DURATION: Final = Metric(
    "darkroom_job_duration_seconds",
    "histogram",
    "From the creation of a job to the end of its first run.",
    ("priority",),
    _LONG,
)
REDELIVERED: Final = Metric(
    "darkroom_results_redeliveries", "counter", "Deliveries of an entry after its first.", ("group",)
)
EVENTS: Final = Metric("darkroom_progress_events", "counter", "Progress events, by what came of them.", ("outcome",))
EVENT_STREAMS: Final = Metric("darkroom_event_streams", "gauge", "Open streams of server-sent events.")
WEBHOOKS: Final = Metric("darkroom_webhooks", "counter", "Tries to deliver a webhook, by outcome.", ("outcome",))
DEAD_LETTERS: Final = Metric("darkroom_dead_letters", "gauge", "Dead letters that wait.", ("partition",))
PURGED: Final = Metric("darkroom_purged", "counter", "What the janitor removed.", ("what",))

# The streams and their server, process and results: every replica tells the same, so take the maximum
LENGTH: Final = Metric("darkroom_stream_length", "gauge", "Entries in a stream.", ("stream",))
LAG: Final = Metric("darkroom_stream_lag", "gauge", "Entries that a group has not read yet.", ("stream", "group"))
PENDING: Final = Metric(
    "darkroom_stream_pending", "gauge", "Entries that a group read and has not acknowledged.", ("stream", "group")
)
OLDEST: Final = Metric(
    "darkroom_stream_oldest_seconds", "gauge", "Age of the oldest entry that a group has to do.", ("stream", "group")
)
REDIS_MEMORY: Final = Metric("darkroom_redis_memory_bytes", "gauge", "Memory that Redis uses for data.")
REDIS_LIMIT: Final = Metric("darkroom_redis_memory_limit_bytes", "gauge", "Memory that Redis may use; 0: no limit.")


def priority(*, bulk: bool) -> str:
    """The value of the label `priority`."""
    return "bulk" if bulk else "normal"


def every_metric() -> list[Metric]:
    """All of them, in the order of their definition."""
    return [value for value in globals().values() if isinstance(value, Metric)]
