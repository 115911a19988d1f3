"""The chain that a command line asks for, from presets and filters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import msgspec

from clients.outputs import chain_in_name
from shared.chain import parse_chain
from shared.errors import InvalidParameter, UnknownFilter
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


@dataclass(frozen=True, slots=True)
class Chain:
    """The filters to run, and how a file name tells them."""

    filters: list[FilterSpec]
    label: str


def chain_from(preset: str | None, filters: Sequence[str]) -> Chain:
    """The preset's filters, then each of `filters` (in either written form) in order.

    Raises InvalidParameter or UnknownFilter.
    """
    named = parse_chain(_preset(preset).chain) if preset else []
    given = [spec for text in filters for spec in parse_chain(text)]
    parse_chain(msgspec.json.encode(named + given).decode())  # The limits of a chain hold for the whole.
    return Chain(named + given, chain_in_name(preset, given))


def check_names(chain: Sequence[FilterSpec], known: Sequence[str]) -> None:
    """Raise UnknownFilter for a filter that is not offered; parameters are the service's to check."""
    for spec in chain:
        if spec["name"] not in known:
            raise UnknownFilter(
                f"There is no filter {spec['name']!r}{_meant(spec['name'], known)}; there are {', '.join(known)}.",
                allowed=known,
            )


def _meant(name: str, known: Sequence[str]) -> str:
    """A guess at what somebody wanted who wrote the name of no filter; empty without one."""
    if name in (preset.name for preset in presets()):
        return f" (but a preset: --preset {name})"
    return _like(name, known)


def _like(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _preset(name: str) -> Preset:
    known = {preset.name: preset for preset in presets()}
    if name not in known:
        raise InvalidParameter(
            f"There is no preset {name!r}{_like(name, known)}; there are {', '.join(known)}.",
            parameter="preset",
            allowed=list(known),
        )
    return known[name]
