"""Span trees as edges that a test can list: who is whose child, by service and name."""

from collections import Counter
from collections.abc import Sequence

from tests.support.otlp import ReceivedSpan

Edge = tuple[str, str]


def label(span: ReceivedSpan) -> str:
    """`service: name`, with the type of a progress event and the number of a later attempt where there is one."""
    about = span.attributes.get("darkroom.event.type", "")
    attempt = span.attributes.get("darkroom.job.attempt", 1)
    return f"{span.service}: {span.name}{f' ({about})' if about else ''}{f' #{attempt}' if attempt > 1 else ''}"


def edges(spans: Sequence[ReceivedSpan]) -> Counter[Edge]:
    """(child, parent) of every span; the parent of a root is empty, that of an orphan is `?`."""
    by_id = {span.id: span for span in spans}
    return Counter((label(span), _parent(span, by_id)) for span in spans)


def orphans(spans: Sequence[ReceivedSpan], *, outside: Sequence[str] = ()) -> list[ReceivedSpan]:
    """Spans whose parent never came; `outside` are span ids that belong to somebody else."""
    known = {(span.trace, span.id) for span in spans}
    return [
        span for span in spans if span.parent and span.parent not in outside and (span.trace, span.parent) not in known
    ]


def _parent(span: ReceivedSpan, by_id: dict[str, ReceivedSpan]) -> str:
    if not span.parent:
        return ""
    return label(by_id[span.parent]) if span.parent in by_id else "?"
