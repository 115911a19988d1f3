"""Writes `docs/configuration.md` from the settings classes: `python -m infra.configuration`.

A test compares the file with what this makes, so that no setting is added, renamed or given another default in
silence.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

from services.ingest.settings import IngestSettings
from services.process.settings import ProcessSettings
from services.results.settings import ResultsSettings
from shared.access import AccessSettings
from shared.settings import Settings, StageSettings, takes_file

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "configuration.md"

_OPENING: Final = """\
# Configuration

Every setting is an environment variable, read once at start and checked: a wrong value ends the start with a message
that says what is allowed. The defaults suit one machine. This page is made from the code by
`python -m infra.configuration`.

What is secret may come from a file instead, as Docker and Kubernetes mount secrets: where the table says *or a file*,
`<NAME>_FILE` names one that holds the value. Giving both, or a file that cannot be read or is empty, ends the start.
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of a bucket, and `DARKROOM_API_KEY` of the command
line, may come that way too.

`OTEL_*` variables of the OpenTelemetry SDK are honoured as they are: `OTEL_EXPORTER_OTLP_ENDPOINT` exports traces.
"""
_SECTIONS: Final = (
    ("All services", Settings),
    ("ingest and results", AccessSettings),
    ("process and results", StageSettings),
    ("ingest", IngestSettings),
    ("process", ProcessSettings),
    ("results", ResultsSettings),
)


def render() -> str:
    """The whole document."""
    return "\n".join([_OPENING, *(line for title, settings in _SECTIONS for line in _section(title, settings))])


def _section(title: str, settings: type[Settings]) -> Iterator[str]:
    yield from (f"## {title}", "", "| variable | default | meaning |", "|---|---|---|")
    for name, field in settings.model_fields.items():
        if not any(name in getattr(base, "model_fields", {}) for base in settings.__bases__):
            yield f"| `DARKROOM_{name.upper()}` | {_default(field)} | {field.description}{_file(field)} |"
    yield ""


def _file(field: FieldInfo) -> str:
    return " *Or a file.*" if takes_file(field) else ""


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Path) or (isinstance(value, str) and str(Path.cwd()) in value):
        # A default that differs from place to place is said in words.
        return "see there"
    return f"`{value}`" if value not in (None, "") else "none"


def main() -> None:
    DOCUMENT.write_text(render(), "utf-8")


if __name__ == "__main__":
    main()
