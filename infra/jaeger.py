"""Jaeger beside the stack on this machine, for `darkroom up --traces`: a binary found on PATH, wired to the services.

It keeps its traces in memory, listens on the loopback only, and ends with the stack.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra import ports
from infra.errors import WrongUsage
from infra.supervisor import Program

#: The port of its page where it is free, as everybody knows it.
PAGE: Final = 16686
#: Traces kept; older ones go.
TRACES: Final = 50_000
#: Seconds to end.
_GRACE: Final = 5.0
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True)
class Jaeger:
    """What to run, and what makes the services send their spans there and link to its page."""

    program: Program
    page: str
    environment: Mapping[str, str]


def beside(data_dir: Path) -> Jaeger:
    """Jaeger 2 with free ports, its configuration in the data directory. Raises WrongUsage without a binary."""
    binary = shutil.which("jaeger")
    if binary is None:
        raise WrongUsage(
            "There is no program named jaeger on PATH, so traces have nowhere to go. Jaeger 2 is one file for each "
            "system: take it from https://www.jaegertracing.io/download/, put it on PATH as 'jaeger', and start again. "
            "Or send traces to any OpenTelemetry receiver: OTEL_EXPORTER_OTLP_ENDPOINT=http://HOST:4318 darkroom up"
        )
    page, receiver = ports.free_port(_HOST, preferred=PAGE), ports.free_port(_HOST)
    file = data_dir / "jaeger.json"
    file.write_text(json.dumps(configuration(page=page, receiver=receiver), indent=2))
    address = ports.url(_HOST, page)
    return Jaeger(
        Program("jaeger", [binary, "--config", str(file)], dict(os.environ), _GRACE),
        address,
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": ports.url(_HOST, receiver),
            "DARKROOM_TRACE_URL": f"{address}/trace/{{trace_id}}",
        },
    )


def configuration(*, page: int, receiver: int) -> dict[str, Any]:
    """Its configuration (YAML, of which JSON is a part): as otel/jaeger.yaml, on the loopback and ports of our own."""
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["jaeger_storage_exporter"]}
            },
            "telemetry": {"logs": {"level": "warn"}, "metrics": {"level": "none"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"traces": {"memory": {"max_traces": TRACES}}}},
            "jaeger_query": {
                "storage": {"traces": "traces"},
                "http": {"endpoint": f"{_HOST}:{page}"},
                "grpc": {"endpoint": f"{_HOST}:0"},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{_HOST}:{receiver}"}}}},
        "processors": {"batch": {"timeout": "200ms"}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "traces"}},
    }
