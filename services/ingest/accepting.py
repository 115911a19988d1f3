"""`format=auto`: the format that the sender of an upload says it shows best (Accept, RFC 9110 section 12.5.1)."""

from collections.abc import Collection
from typing import Final

from python_multipart.multipart import parse_options_header

#: Formats that beat a picture's own, best first: each makes smaller files than those behind it.
_SMALLEST_FIRST: Final = ("avif", "webp")


def best_format(accept: str, able: Collection[str]) -> str | None:
    """The best of the formats `able` that `accept` names; none when it names none, and the picture keeps its own.

    The one with the highest quality value wins, among equals the one with the smaller files. Ranges such as `image/*`
    name none: every client sends them, whatever it can show.
    """
    wanted = {name: _weight(accept, f"image/{name}") for name in _SMALLEST_FIRST if name in able}
    best = max(wanted, key=lambda name: wanted[name], default=None)
    return best if best is not None and wanted[best] > 0 else None


def _weight(accept: str, media_type: str) -> float:
    """The quality value of a media type, 0 to 1; 0 too where its text is none."""
    for part in accept.split(","):
        name, options = parse_options_header(part.strip())
        if name.decode("latin-1").lower() == media_type:
            try:
                return min(1.0, max(0.0, float(options.get(b"q", b"1"))))
            except ValueError:
                return 0.0
    return 0.0
