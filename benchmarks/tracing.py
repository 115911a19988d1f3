"""What tracing costs per image, over all three services, sending included.

    .venv/bin/python -m benchmarks.tracing [--images 2000] [--rounds 9] [--check]

One image makes the very calls that the services make for it: the request and its publish in ingest, the attempt with
its steps and its event in process, both projections in results. Sides are interleaved, a figure is the median of the
rounds, in µs of CPU time of this process per image:

- off        no receiver is named: a context that came in is handed on
- unsampled  tracing is on, and the request decided against its trace
- batch      the same, 20 images in a request, which is decided on once
- sampled    every span is made, encoded and posted to a receiver in a process of its own
- sdk        the same spans through OpenTelemetry's SDK, batch processor and exporter, for comparison

All but the last are less what the calls cost without traces: reading an entry, making what the spans are about.
`--check` fails when sampled costs more than 150 or unsampled more than 10.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from benchmarks.receiver import receiver
from services.process import orders, spans
from services.process.orders import Order
from services.process.request import Report, Step
from services.results import projection
from shared import events, http_telemetry, semantics, submission, telemetry, trace_context
from shared.entries import Entry, Source
from shared.events import ImageProgress, ImageUploaded, Result
from shared.http_telemetry import HttpTelemetry
from shared.metrics import HTTP_DURATION
from shared.submission import Submission
from shared.trace_context import Recorded

#: µs of CPU time per image.
LIMITS: Final = {"sampled": 150.0, "unsampled": 10.0}
#: Images of one request.
BATCH: Final = 20
#: A request as an upload of curl behind a gateway comes: no trace among its headers.
REQUEST: Final = {
    "type": "http",
    "scheme": "http",
    "path": "/v1/images",
    "headers": [
        (b"host", b"127.0.0.1:8080"),
        (b"user-agent", b"curl/8.5.0"),
        (b"accept", b"*/*"),
        (b"content-length", b"204800"),
        (b"content-type", b"image/jpeg"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x-forwarded-proto", b"https"),
    ],
}
DOOR: Final = HttpTelemetry(Starlette(), HTTP_DURATION.histogram(CollectorRegistry()), "ingest", ["/v1/images"])
UPLOADS: Final = Source("image.uploaded:{0}", "process", 0)
PROGRESS: Final = Source("image.progress:{0}", "results", 0)
ENTRY: Final = "1795496941042-0"
UPLOAD: Final = ImageUploaded(
    source="originals/2026-11-24/local/596a", job_id="0-01936e6a", filters=[{"name": "sepia"}]
)
RESULT: Final = Result(key="results/2026-11-24/local/e2be", media_type="image/jpeg", bytes=1, width=1, height=1)
DONE: Final = ImageProgress(type="processed", job_id="0-01936e6a", upload=UPLOAD, at=1, result=RESULT)
STARTED: Final = ImageProgress(type="started", job_id="0-01936e6a", upload=UPLOAD, at=1)
NAMES: Final = ("load", "guard", "recall", "decode", "filters", "encode", "store")
REPORT: Final = Report(
    result=RESULT, steps=[Step(name, 10**18, 10**18 + 1) for name in NAMES], filters=[Step("sepia", 10**18, 10**18 + 1)]
)
DATA: Final = events.encode(UPLOAD)
GIVEN: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def one_request(images: int = 1) -> None:
    """Every call about traces that the images of one request take on their way."""
    with DOOR._span(REQUEST, "POST") as request:  # noqa: SLF001 - what is measured
        carried = [_publish() for _ in range(images)]
        if type(request) is Recorded:
            http_telemetry._describe(request, "POST", "/v1/images", 202)  # noqa: SLF001
    for traceparent, tracestate in carried:
        _develop(traceparent, tracestate)


def _publish() -> tuple[str, str]:
    submitted = Submission(0, "local", "0-b", [UPLOAD])
    published = submission._span(submitted, UPLOAD)  # noqa: SLF001 - what is measured
    traceparent, tracestate, _ = submission._trace_fields(published)  # noqa: SLF001
    published.end()
    return traceparent, tracestate


def _develop(traceparent: str, tracestate: str) -> None:
    order = orders.read(UPLOADS, _entry(DATA, traceparent, tracestate))
    attempt = spans.begin(order)
    if attempt.is_recording():
        detach(attach(trace.set_span_in_context(attempt)))
    started = trace_context.carrier(attempt)
    spans.steps(attempt, REPORT)
    telling = spans.publish(attempt, order, "processed")
    told = trace_context.carrier(telling)
    telling.end()
    spans.end(attempt, DONE)
    spans.leave(attempt)
    for event, fields in ((STARTED, started), (DONE, told)):
        step = projection.Step(_entry(b"", *fields), event, 1)
        projection._end([projection._traced(PROGRESS, step)])  # noqa: SLF001


def without_tracing() -> None:
    """What the calls of `one_request` cost besides traces."""
    Submission(0, "local", "0-b", [UPLOAD])
    entry = _entry(DATA, GIVEN, "")
    upload = events.decode_uploaded(entry.fields, partition=0, entry_id=ENTRY)
    Order(UPLOADS, entry, upload, upload.job_id or "", trace.INVALID_SPAN)
    for event in (STARTED, DONE):
        projection.Step(_entry(b"", GIVEN, ""), event, 1)


def through_the_sdk(tracer: trace.Tracer) -> None:
    """The same number and kind of spans, with the attributes they have."""
    publishing = semantics.publishing(semantics.UPLOADED, 0, "0-01936e6a")
    processing = semantics.processing(semantics.UPLOADED, 0, "process", ENTRY, "0-01936e6a")
    with tracer.start_as_current_span(
        "POST /v1/images", kind=SpanKind.SERVER, attributes={semantics.METHOD: "POST", semantics.ROUTE: "/v1/images"}
    ):
        published = tracer.start_span("publish image.uploaded", kind=SpanKind.PRODUCER, attributes=publishing)
        published.end()
    attempt = _child(tracer, "process image.uploaded", published, processing)
    for step in REPORT.steps:
        if step.name not in {"guard", "recall"}:
            _child(tracer, step.name, attempt, {}).end()
    telling = _child(tracer, "publish image.progress", attempt, publishing)
    telling.end()
    attempt.end()
    for above in (attempt, telling):
        _child(tracer, "process image.progress", above, processing).end()


def _child(tracer: trace.Tracer, name: str, parent: trace.Span, attributes: semantics.Attributes) -> trace.Span:
    return tracer.start_span(name, context=trace.set_span_in_context(parent, Context()), attributes=attributes)


def _entry(data: bytes, traceparent: str, tracestate: str) -> Entry:
    fields = {b"data": data}
    if traceparent:
        fields[b"traceparent"] = traceparent.encode()
    if tracestate:
        fields[b"tracestate"] = tracestate.encode()
    return Entry(ENTRY, fields)


def cost(work: Callable[[], None], images: int, finish: Callable[[], object] = lambda: None) -> float:
    """µs of CPU time per image, until everything was sent."""
    begun = time.process_time_ns()
    for _ in range(images):
        work()
    finish()
    return (time.process_time_ns() - begun) / images / 1000


def measure(images: int, rounds: int) -> dict[str, float]:
    """The median of each side over the rounds."""
    figures: dict[str, list[float]] = {name: [] for name in ("nothing", "off", "unsampled", "batch", "sampled", "sdk")}
    with receiver() as url:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
        provider = TracerProvider(resource=Resource.create({"service.name": "sdk"}), shutdown_on_exit=False)
        processor = BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=10**6)
        provider.add_span_processor(processor)
        theirs = provider.get_tracer("benchmark")
        for _ in range(rounds):
            figures["nothing"].append(cost(without_tracing, images))
            figures["off"].append(cost(one_request, images))
            os.environ |= {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
            telemetry.configure_tracing("benchmark", ["ingest", "process", "results"])
            figures["unsampled"].append(cost(one_request, images))
            figures["batch"].append(cost(partial(one_request, BATCH), images // BATCH) / BATCH)
            telemetry.flush()
            os.environ["OTEL_TRACES_SAMPLER"] = "parentbased_always_on"
            # Room for all: at full speed on one core a receiver of ours is slower than the queue.
            os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = "1000000"
            telemetry.configure_tracing("benchmark", ["ingest", "process", "results"])
            figures["sampled"].append(cost(one_request, images, telemetry.flush))
            figures["sdk"].append(cost(lambda: through_the_sdk(theirs), images // 4, processor.force_flush))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    nothing = medians.pop("nothing")
    return {name: value - (0 if name == "sdk" else nothing) for name, value in medians.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--check", action="store_true", help="fail above the limits")
    options = parser.parse_args()
    figures = measure(options.images, options.rounds)
    for name, value in figures.items():
        print(f"{name:10} {value:8.1f} µs per image")
    over = {name: figures[name] for name, limit in LIMITS.items() if figures[name] > limit}
    if options.check and over:
        print(f"over the limit: {over}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
