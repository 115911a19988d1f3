"""The chain that a command line asks for, from presets and filters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from shared.chain import parse_chain, short_form
from shared.errors import InvalidParameter
from shared.events import FilterSpec

#: The same file that the page reads.
_PRESETS: Final = Path(__file__).parent.parent / "services" / "ingest" / "web" / "presets.json"


class Preset(msgspec.Struct, frozen=True):
    """A chain with a name; `chain` is in the short form."""

    name: str
    title: str
    summary: str
    chain: str


def presets() -> list[Preset]:
    """All presets, in the order the page shows them."""
    return msgspec.json.decode(_PRESETS.read_bytes(), type=list[Preset])


def chain_from(preset: str | None, filters: Sequence[str]) -> list[FilterSpec]:
    """The preset's filters, then each of `filters` (in either written form) in order.

    Raises InvalidParameter or UnknownFilter.
    """
    chain = parse_chain(_preset(preset).chain) if preset else []
    for text in filters:
        chain += parse_chain(text)
    parse_chain(short_form(chain))  # The limits of a chain hold for the whole.
    return chain


def _preset(name: str) -> Preset:
    known = {preset.name: preset for preset in presets()}
    if name not in known:
        raise InvalidParameter(
            f"There is no preset {name!r}; there are {', '.join(known)}.", parameter="preset", allowed=list(known)
        )
    return known[name]
