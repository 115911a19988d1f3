"""How spans are named and described: OpenTelemetry's messaging and HTTP conventions (semantic conventions 1.38).

`otel/schema.yaml` declares every span and attribute; a test compares it with what is really sent.
"""

from typing import Final

from opentelemetry.trace import SpanKind

from shared.otlp import Value

Attributes = dict[str, Value]

#: The streams as traces and metrics name them: without the partition, which is an attribute of its own.
UPLOADED: Final = "image.uploaded"
UPLOADED_BULK: Final = "image.uploaded.bulk"
PROGRESS: Final = "image.progress"
DEAD: Final = "image.dead"
HOOKS: Final = "image.hooks"

JOB: Final = "darkroom.job.id"
RUN: Final = "darkroom.job.run"
ATTEMPT: Final = "darkroom.job.attempt"
CACHED: Final = "darkroom.job.cached"
EVENT: Final = "darkroom.event.type"
#: Why an attempt ended without a result: `cancelled`, or `lost` as its successor tells it.
ENDED: Final = "darkroom.attempt.end"
PREVIOUS: Final = "darkroom.previous.trace_id"
FILTER: Final = "darkroom.filter.name"
WEBHOOK: Final = "darkroom.webhook.type"
WEBHOOK_ATTEMPT: Final = "darkroom.webhook.attempt"
OUTCOME: Final = "darkroom.webhook.outcome"

#: The event of an attempt whose image is tried once more in place.
RETRY: Final = "darkroom.attempt.retry"

ERROR: Final = "error.type"
#: Code of the error that a request was answered with; only from 500 on it is the `error.type` of the server as well.
CODE: Final = "darkroom.error.code"
METHOD: Final = "http.request.method"
#: The method as it came, where it is none that the conventions know.
METHOD_GIVEN: Final = "http.request.method_original"
ROUTE: Final = "http.route"
STATUS: Final = "http.response.status_code"
RESENT: Final = "http.request.resend_count"
SCHEME: Final = "url.scheme"
PATH: Final = "url.path"
SERVER: Final = "server.address"
PORT: Final = "server.port"
URL: Final = "url.full"
#: Ports of URLs that name none.
_PORTS: Final = {"http": 80, "https": 443}

PRODUCER: Final = SpanKind.PRODUCER
CONSUMER: Final = SpanKind.CONSUMER


def uploaded(*, bulk: bool) -> str:
    """The stream that an upload is published on."""
    return UPLOADED_BULK if bulk else UPLOADED


def publish_name(stream: str) -> str:
    return f"publish {stream}"


def process_name(stream: str) -> str:
    return f"process {stream}"


def requesting(method: str, scheme: str, host: str, port: int | None) -> Attributes:
    """Attributes of a request that we send to a URL that somebody gave us.

    Its path and query may be secrets, so `url.full` ends before them, which is not what the conventions ask for.
    """
    port = port or _PORTS.get(scheme, 0)
    origin = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
    return {METHOD: method, SERVER: host, PORT: port, URL: origin}


def publishing(stream: str, partition: int, job_id: str) -> Attributes:
    """Attributes of a span that publishes an event about a job."""
    return {
        "messaging.system": "redis",
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
        "messaging.destination.name": stream,
        "messaging.destination.partition.id": str(partition),
        JOB: job_id,
    }


def processing(stream: str, partition: int, group: str, entry_id: str, job_id: str) -> Attributes:
    """Attributes of a span that works on one entry."""
    return {
        "messaging.system": "redis",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": stream,
        "messaging.destination.partition.id": str(partition),
        "messaging.consumer.group.name": group,
        "messaging.message.id": entry_id,
        JOB: job_id,
    }
