"""Makes docs/pictures/trace.svg: the spans of one upload, as a receiver got them from a running Darkroom.

    .venv/bin/python -m tests.telemetry.draw

It is drawn from the spans themselves; Jaeger's page shows the same tree.
"""

import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

import httpx
import skimage

from tests.support import stack as stacks
from tests.support.otlp import ReceivedSpan, Receiver, receiver
from tests.support.waiting import wait_until
from tests.telemetry.tree import label

TARGET: Final = Path(__file__).parents[2] / "docs/pictures/trace.svg"
PHOTO: Final = Path(skimage.__file__).parent / "data" / "rocket.jpg"
#: Spans of an upload through two filters, without a webhook.
SPANS: Final = 12
COLOURS: Final = {"ingest": "#2f7d4f", "process": "#b4561f", "results": "#3565a8"}
#: Pixels: of the whole, of a row, of the names, and of what is written behind the last bar.
WIDTH, ROW, NAMES, ROOM = 1000, 24, 340, 80


def one_upload(spans: Receiver) -> list[ReceivedSpan]:
    """The trace of one photo, after another one has warmed everything."""
    with tempfile.TemporaryDirectory() as folder:
        running = stacks.start(Path(folder), "--workers", "1", environment=spans.environment)
        try:
            with httpx.Client(base_url=running.url, trust_env=False, timeout=20) as http:
                for chain in ("sharpen,blur:size=9", "sepia,blur:size=9"):
                    files = {"image": (PHOTO.name, PHOTO.read_bytes())}
                    (job,) = http.post("/v1/images", files=files, data={"filters": chain}).json()["jobs"]
                    wait_until(lambda url=f"/v1/jobs/{job['id']}": http.get(url).json()["finished"], timeout=30)  # type: ignore[misc]
                trace = http.get(f"/v1/jobs/{job['id']}").json()["trace_id"]
            wait_until(lambda: len(spans.of_trace(trace)) == SPANS)
        finally:
            running.stop()
    return spans.of_trace(trace)


def drawing(spans: Sequence[ReceivedSpan]) -> str:
    """An SVG with a row for each span, below the one that caused it."""
    rows = list(_rows(spans, ""))
    begin, end = min(span.start for span in spans), max(span.end for span in spans)
    scale = (WIDTH - NAMES - ROOM) / (end - begin)
    height = ROW * (len(rows) + 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<style>text {font-size: 13px; fill: #444}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, (depth, span) in enumerate(rows):
        top, left = ROW * number, NAMES + (span.start - begin) * scale
        width = max(1.5, (span.end - span.start) * scale)
        service, name = label(span).split(": ", 1)
        colour, took = COLOURS[service], f"{(span.end - span.start) / 1e6:.1f} ms"
        said = f'<tspan fill="{colour}" font-weight="bold">{service}</tspan> {escape(name)}'
        lines += [
            f'<text x="{10 + 14 * depth}" y="{top + 17}">{said}</text>',
            f'<rect x="{left:.1f}" y="{top + 5}" width="{width:.1f}" height="{ROW - 9}" rx="2" fill="{colour}"/>',
            f'<text x="{left + width + 5:.1f}" y="{top + 17}">{took}</text>',
        ]
    whole = f"One trace, {(end - begin) / 1e6:.0f} ms; drawn from its spans as a receiver got them."
    lines += [f'<text x="10" y="{height - 7}">{whole}</text>', "</svg>"]
    return "\n".join(lines) + "\n"


def _rows(spans: Sequence[ReceivedSpan], parent: str, depth: int = 0) -> Iterator[tuple[int, ReceivedSpan]]:
    for span in sorted((one for one in spans if one.parent == parent), key=lambda one: one.start):
        yield depth, span
        yield from _rows(spans, span.id, depth + 1)


def main() -> None:
    with receiver() as spans:
        TARGET.write_text(drawing(one_upload(spans)))


if __name__ == "__main__":
    main()
