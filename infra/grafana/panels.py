"""What the dashboard shows: rows of panels, each with its queries. `infra.grafana.build` makes Grafana's JSON of it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and the name of its lines (`{{label}}` stands for a label's value)."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `unit` is Grafana's name of it; `big` shows the last value as a number, red from `bad` on."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    what: str = ""
    big: bool = False
    bad: float | None = None


def quantiles(metric: str, by: str = "") -> tuple[Query, ...]:
    """Median and 99th percentile of a histogram over five minutes, by a label if one is named."""
    labels, prefix = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    return tuple(
        Query(f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[5m])))", f"{prefix}p{int(q * 100)}")
        for q in (0.5, 0.99)
    )


def rates(metric: str, by: str) -> tuple[Query, ...]:
    return (Query(f"sum by ({by}) (rate({metric}[5m]))", f"{{{{{by}}}}}"),)


NOW: Final = (
    Panel("Waiting", (Query("sum(max by (stream, group) (darkroom_stream_lag + darkroom_stream_pending))"),), big=True,
          bad=500, what="Entries that wait in all streams, or are in work."),
    Panel("Oldest entry", (Query("max(darkroom_stream_oldest_seconds)"),), "s", big=True, bad=120),
    Panel("Jobs", (Query("sum(rate(darkroom_jobs_total[5m]))"),), "ops", big=True),
    Panel("Failed", (Query(
        'sum(rate(darkroom_jobs_total{state="failed"}[5m])) / sum(rate(darkroom_jobs_total{state=~"done|failed"}[5m]))'
    ),), "percentunit", big=True, bad=0.1),
    Panel("Upload to result, p99", quantiles("darkroom_job_duration_seconds", "priority")[1:], "s", big=True, bad=30,
          what="Jobs of low priority may wait."),
    Panel("Dead letters", (Query("sum(max by (partition) (darkroom_dead_letters))"),), big=True, bad=1),
)  # fmt: skip
UPLOADS: Final = (
    Panel("Requests by answer", (Query(
        "sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count[5m]))",
        "{{http_response_status_code}}",
    ),), "reqps"),
    Panel("Requests, p99 by route", (Query(
        "histogram_quantile(0.99, sum by (http_route, le) "
        '(rate(http_server_request_duration_seconds_bucket{http_route!~".*/events"}[5m])))',
        "{{http_route}}",
    ),), "s", "Without streams of events, which last as long as somebody looks."),
    Panel("Uploads by outcome", rates("darkroom_uploads_total", "outcome"), "reqps"),
    Panel("Images accepted", rates("darkroom_images_accepted_total", "priority"), "ops"),
    Panel("Sizes of images", quantiles("darkroom_image_size_bytes"), "bytes"),
    Panel("Uploads on their way in", (Query("sum(darkroom_upload_in_flight_bytes)", "bytes"),), "bytes"),
    Panel("Services that cannot read the API keys", (Query("sum(darkroom_api_keys_unreadable)"),),
          what="Keys that were revoked since may still open these."),
)  # fmt: skip
WORK: Final = (
    Panel("Wait for a worker", quantiles("darkroom_process_queue_wait_seconds", "priority"), "s"),
    Panel("Steps, p99", quantiles("darkroom_process_step_duration_seconds", "step")[1:], "s"),
    Panel("Filters", rates("darkroom_process_filters_total", "filter"), "ops"),
    Panel("Answered without pixels", (Query(
        "sum(rate(darkroom_process_cache_hits_total[5m])) / sum(rate(darkroom_process_jobs_total[5m]))", "cached"
    ),), "percentunit"),
    Panel("Bytes of images", rates("darkroom_process_image_bytes_total", "direction"), "Bps"),
    Panel("Pool", (
        Query("sum(darkroom_pool_children)", "alive"), Query("sum(darkroom_pool_busy_children)", "busy"),
    )),
    Panel("Memory of the pool", (Query("sum by (instance) (darkroom_pool_resident_bytes)", "{{instance}}"),), "bytes"),
    Panel("Trouble", (
        Query("sum(rate(darkroom_pool_restarts_total[5m])) or vector(0)", "pool processes replaced"),
        Query("sum(rate(darkroom_process_redeliveries_total[5m]))", "starts after the first"),
        Query("sum(rate(darkroom_process_lost_entries_total[5m]))", "entries lost to another worker"),
        Query("sum(rate(darkroom_process_buried_entries_total[5m])) or vector(0)", "dead letters"),
    ), "ops"),
)  # fmt: skip
RESULTS: Final = (
    Panel("Jobs that ended", rates("darkroom_jobs_total", "state"), "ops"),
    Panel("Failures by code", (Query(
        'sum by (code) (rate(darkroom_jobs_total{state="failed"}[5m]))', "{{code}}"
    ),), "ops"),
    Panel("Upload to result", quantiles("darkroom_job_duration_seconds", "priority"), "s"),
    Panel("Progress events", rates("darkroom_progress_events_total", "outcome"), "ops"),
    Panel("Open streams of events", (Query("sum(darkroom_event_streams)", "streams"),)),
    Panel("Webhooks", rates("darkroom_webhooks_total", "outcome"), "ops"),
    Panel("Trouble of results", (
        Query("sum by (group) (rate(darkroom_results_redeliveries_total[5m]))", "{{group}}: delivered again"),
        Query("sum by (job) (rate(darkroom_spans_dropped_total[5m]))", "{{job}}: spans dropped"),
    ), "ops"),
)  # fmt: skip
STREAMS: Final = (
    Panel("Not read yet", (Query("max by (stream, group) (darkroom_stream_lag)", "{{stream}} {{group}}"),)),
    Panel("In work", (Query("max by (stream, group) (darkroom_stream_pending)", "{{stream}} {{group}}"),)),
    Panel("Age of the oldest", (
        Query("max by (stream, group) (darkroom_stream_oldest_seconds)", "{{stream}} {{group}}"),
    ), "s"),
    Panel("Length", (Query("max by (stream) (darkroom_stream_length)", "{{stream}}"),)),
    Panel("Memory of Redis", (
        Query("max(darkroom_redis_memory_bytes)", "used"), Query("max(darkroom_redis_memory_limit_bytes)", "limit"),
    ), "bytes", "A limit of 0 is none."),
)  # fmt: skip
ROWS: Final = {"Now": NOW, "Uploads": UPLOADS, "Work": WORK, "Results": RESULTS, "Streams": STREAMS}


def every_panel() -> list[Panel]:
    return [panel for row in ROWS.values() for panel in row]
