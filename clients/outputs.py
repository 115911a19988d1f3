"""Where developed pictures go: names made from a template, and files that are never overwritten by accident."""

import filecmp
import re
import string
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from clients.errors import WrongUsage
from clients.files import replacing
from clients.inputs import STANDARD, SUFFIXES, Input
from shared.chain import short_form
from shared.events import FilterSpec

#: Media types that are written; a picture in another one becomes a PNG.
_WRITTEN: Final = ("image/jpeg", "image/png", "image/webp", "image/avif")
#: Suffix of the file name by format.
FORMATS: Final = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif"}
_FORMAT_OF_SUFFIX: Final = {"jpg": "jpeg", "jpeg": "jpeg", "png": "png", "webp": "webp", "avif": "avif"}
#: Suffixes of pictures that are never written.
_ONLY_READ: Final = ("tif", "tiff", "gif", "bmp", "heic", "heif", "jp2", "svg", "psd")
_IN_FOLDER: Final = "{dir}/{stem}-{chain}.{ext}"
_FIELDS: Final = ("stem", "chain", "ext", "dir", "index")
#: Longest text of a chain in a file name.
_LONGEST: Final = 80


class BadOutput(WrongUsage):
    """An --output that cannot be used, said in words."""


class OutputExists(FileExistsError):
    """Another file is where the picture should go."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the results of some inputs go. No path means standard output; `format` is what a suffix asked for."""

    paths: Sequence[Path | None]
    format: str | None = None


def check_output(output: str | None, wanted: str | None, *, as_json: bool) -> None:
    """Raise BadOutput for what cannot be meant, before anything is read."""
    if wanted not in (None, *FORMATS):
        raise BadOutput(f"--format is one of {', '.join(FORMATS)}.")
    if output == STANDARD and as_json:
        raise BadOutput("--json and a picture cannot both go to standard output.")
    if output == STANDARD and sys.stdout.isatty():
        raise BadOutput("A picture would go to the terminal; use --output FILE or '> FILE'.")


def plan(inputs: Sequence[Input], output: str, chain: str, wanted: str | None) -> Plan:
    """The output path of each input. Raises BadOutput, also when two inputs would meet in one file.

    Of a picture that the service fetches only the address is known: its suffix, or `wanted`, says what it becomes.

    `chain` is how names tell the chain (see `chain_in_name`). `output` is '-', a folder, a template with {stem},
    {chain}, {ext}, {dir} or {index}, or, for one input, a file, whose suffix then chooses the format unless one is
    `wanted`.
    """
    if output == STANDARD:
        if len(inputs) > 1:
            raise BadOutput("Standard output takes one picture; name a folder for several.")
        return Plan([None] * len(inputs))
    suffix = Path(output).suffix.lstrip(".").lower()
    if suffix in _FORMAT_OF_SUFFIX and "{" not in output and not Path(output).is_dir():
        if len(inputs) > 1:
            raise BadOutput(f"{output} is one file, but there are {len(inputs)} pictures; name a folder or a template.")
        _check_suffix(suffix, wanted)
        return Plan([Path(output)] * len(inputs), wanted or _FORMAT_OF_SUFFIX[suffix])
    if suffix in _ONLY_READ and "{" not in output and not output.endswith("/") and not Path(output).is_dir():
        raise BadOutput(f"{output}: results are jpeg, png, webp or avif. A folder of this name ends with a slash.")
    template = output if "{" in output else f"{output.rstrip('/') or '/'}/{_IN_FOLDER}"
    paths = [_filled(template, one, index, chain, wanted) for index, one in enumerate(inputs, 1)]
    _check_distinct(paths, inputs)
    return Plan(paths)


def format_of(path: Path) -> str | None:
    """The format that a file is named for; none when its suffix says nothing."""
    return _FORMAT_OF_SUFFIX.get(path.suffix.lstrip(".").lower())


def chain_in_name(preset: str | None, chain: Sequence[FilterSpec]) -> str:
    """A chain as a part of a file name: `sepia+blur_size=9`, `noir` for a preset; `plain` for no filters.

    `chain` is what comes after the preset.
    """
    short = "+".join(filter(None, [preset, short_form(list(chain)).replace(",", "+").replace(":", "_")]))
    slug = re.sub(r"[^A-Za-z0-9+_=.-]", "", short) or "plain"
    return slug if len(slug) <= _LONGEST else f"{slug[: _LONGEST - 9]}-{sha256(slug.encode()).hexdigest()[:8]}"


def save(part: Path, path: Path, *, force: bool) -> bool:
    """Put a downloaded file in its place; returns whether anything changed.

    A file with the same content already there is left as it is, another one is replaced only with `force`, else
    OutputExists is raised.
    """
    if path.exists():
        if filecmp.cmp(part, path, shallow=False):
            return False
        if not force:
            raise OutputExists(f"{path} exists and is another file; use --force to replace it.")
    with replacing(path) as file, part.open("rb") as source:
        while piece := source.read(1 << 20):
            file.write(piece)
    return True


def to_standard_output(part: Path) -> None:
    """Write a downloaded file to standard output."""
    with part.open("rb") as source:
        while piece := source.read(1 << 20):
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A folder for downloads under way, gone at the end."""
    return tempfile.TemporaryDirectory(prefix="darkroom-")


def _check_suffix(suffix: str, wanted: str | None) -> None:
    if wanted is not None and _FORMAT_OF_SUFFIX[suffix] != wanted:
        raise BadOutput(f"--format {wanted} does not go with a file that ends in .{suffix}.")


def _filled(template: str, one: Input, index: int, chain: str, wanted: str | None) -> Path:
    kept = SUFFIXES[one.media_type] if one.media_type in _WRITTEN else "png"
    values = {
        "stem": one.stem,
        "chain": chain,
        "ext": FORMATS[wanted] if wanted else kept,
        "dir": str(one.folder),
        "index": index,
    }
    try:
        for _, name, _, _ in string.Formatter().parse(template):
            if name is not None and name not in _FIELDS:
                raise BadOutput(f"--output knows {{{'}, {'.join(_FIELDS)}}}, not {{{name}}}.")
            if name == "ext" and not one.media_type and not wanted:
                raise BadOutput(f"{one.shown} does not say what format it is; choose one with --format.")
        return Path(template.format(**values))
    except (ValueError, IndexError) as error:
        if isinstance(error, BadOutput):
            raise
        raise BadOutput(f"--output {template!r} is no template: {error}.") from error


def _check_distinct(paths: Sequence[Path], inputs: Sequence[Input]) -> None:
    taken: dict[Path, Input] = {}
    for path, one in zip(paths, inputs, strict=True):
        if path in taken:
            raise BadOutput(
                f"{taken[path].shown} and {one.shown} would both become {path}; "
                "use a template with {dir} or {index}, such as 'out/{index}-{stem}.{ext}'."
            )
        taken[path] = one
