"""What the results service counts."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.entries import Source
from shared.groups import Backlog

#: Seconds: from a small cached picture to a long queue.
_DURATIONS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)


class ResultsMetrics:
    """Every metric of one results service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.jobs = Counter("darkroom_jobs", "Jobs that ended.", ["state", "code"], registry=registry)
        self.duration = Histogram(
            "darkroom_job_duration_seconds",
            "Seconds from the creation of a job to its end.",
            buckets=_DURATIONS,
            registry=registry,
        )
        self.events = Counter(
            "darkroom_progress_events", "Progress events, by what came of them.", ["outcome"], registry=registry
        )
        self.streams = Gauge("darkroom_event_streams", "Open streams of server-sent events.", registry=registry)
        self.webhooks = Counter(
            "darkroom_webhooks", "Attempts to deliver a webhook, by outcome.", ["outcome"], registry=registry
        )
        self.length = Gauge("darkroom_stream_length", "Entries in a stream.", ["stream"], registry=registry)
        self.lag = self._group("darkroom_stream_lag", "Entries that a group has not read yet.")
        self.pending = self._group("darkroom_stream_pending", "Entries that a group read and has not acknowledged.")
        self.oldest = self._group("darkroom_stream_oldest_seconds", "Age of the oldest entry that a group has to do.")
        self.dead = Gauge("darkroom_dead_letters", "Dead letters.", ["partition"], registry=registry)
        self.purged = Counter("darkroom_purged", "What the janitor removed.", ["what"], registry=registry)

    def show(self, backlogs: Sequence[tuple[Source, Backlog]], dead: Sequence[int]) -> None:
        """Set the gauges of the streams, and of the dead letters of each partition."""
        for source, backlog in backlogs:
            self.length.labels(source.stream).set(backlog.length)
            self.lag.labels(source.stream, source.group).set(backlog.lag)
            self.pending.labels(source.stream, source.group).set(backlog.pending)
            self.oldest.labels(source.stream, source.group).set(backlog.oldest_ms / 1000)
        for partition, number in enumerate(dead):
            self.dead.labels(str(partition)).set(number)

    def hide(self) -> None:
        """Take back the gauges that `show` sets: an old value would look like a present one."""
        for gauge in (self.length, self.lag, self.pending, self.oldest, self.dead):
            gauge.clear()

    def _group(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, ["stream", "group"], registry=self.registry)
