"""What the results service counts (see `shared.metrics`)."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from shared import keys, metrics, telemetry
from shared.entries import Entry, Source
from shared.stream_gauges import StreamGauges


class ResultsMetrics:
    """Every metric of one results service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = metrics.HTTP_DURATION.histogram(registry)
        self.keys_unreadable = metrics.KEYS_UNREADABLE.gauge(registry)
        self.jobs = metrics.JOBS.counter(registry)
        self.duration = metrics.JOB_DURATION.histogram(registry)
        self.redelivered = metrics.REDELIVERED.counter(registry)
        for group in (keys.RESULTS_GROUP, keys.HOOKS_GROUP):
            self.redelivered.labels(group)
        self.events = metrics.EVENTS.counter(registry)
        self.streams = metrics.EVENT_STREAMS.gauge(registry)
        self.webhooks = metrics.WEBHOOKS.counter(registry)
        self.backlog = StreamGauges(registry)
        self.dead = metrics.DEAD_LETTERS.gauge(registry)
        self.purged = metrics.PURGED.counter(registry)
        metrics.SPANS_DROPPED.asked(registry, lambda: telemetry.dropped("results"))

    def note_redelivered(self, source: Source, entries: Sequence[Entry]) -> None:
        """Count those of a batch that were delivered before."""
        again = sum(1 for entry in entries if entry.attempts)
        if again:
            self.redelivered.labels(source.group).inc(again)

    def show_dead(self, dead: Sequence[int]) -> None:
        """Set the gauge of the dead letters of each partition; without numbers it is taken back."""
        self.dead.clear()
        for partition, number in enumerate(dead):
            self.dead.labels(str(partition)).set(number)
