"""The parameters of an upload, as form fields of a multipart request or in the query of a raw one."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from services.ingest.accepting import best_format
from shared.addresses import Reach, Refused, check_written
from shared.errors import InvalidParameter
from shared.events import Output

#: Formats that are written, and those of them that lose nothing or hold animations.
WRITTEN: Final = ("jpeg", "png", "webp", "avif")
LOSSLESS: Final = ("png", "webp")
ANIMATED: Final = ("png", "webp", "avif")
#: What `format` takes; `source` is the format of the picture itself, `auto` the one that the sender shows best.
FORMATS: Final = ("source", "auto", *WRITTEN)
SUBSAMPLINGS: Final = ("420", "422", "444")
METADATA: Final = ("none", "icc", "all")
FRAMES: Final = ("first", "all")
PRIORITIES: Final = ("normal", "bulk")
#: Jobs that one batch may say it expects.
MOST_EXPECTED: Final = 1_000_000
_LONGEST_URL: Final = 2048
_LONGEST_NAME: Final = 255
_BATCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SOURCE = re.compile(
    r"inbox/[A-Za-z0-9._-]{1,64}/[A-Za-z0-9-]{1,64}|originals/[0-9]{4}-[0-9]{2}-[0-9]{2}/[A-Za-z0-9._-]{1,64}/[0-9a-f]{64}"
)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Parameters(msgspec.Struct, frozen=True):
    """What one request asks for. `filters` is as written; whether the chain exists is checked by the catalogue."""

    filters: str = ""
    output: Output = Output()
    bulk: bool = False
    webhook: str | None = None
    batch: str | None = None
    expected: int | None = None
    #: Where the image is, for a request that holds none itself.
    url: str | None = None
    #: Its key in the inbox of the sender, likewise.
    source: str | None = None


NO_PARAMETERS: Final = Parameters()


def read_parameters(pairs: Iterable[tuple[str, str]], *, accept: str = "") -> Parameters:
    """Read parameters from names and texts. Raises InvalidParameter, saying what is allowed.

    An empty text is a parameter that was not given, as in a form whose field was left empty. `accept` is the header of
    the request, for `format=auto`.
    """
    given: dict[str, str] = {}
    for name, text in pairs:
        if name not in _READERS:
            raise InvalidParameter(
                f"There is no parameter {name!r}; there are {', '.join(_READERS)}.",
                parameter=name,
                allowed=list(_READERS),
            )
        if name in given:
            raise InvalidParameter(f"{name} is given twice.", parameter=name)
        given[name] = text.strip()
    return _read({name: text for name, text in given.items() if text}, accept) if given else NO_PARAMETERS


def read_idempotency_key(text: str | None) -> str | None:
    """The Idempotency-Key of a request, if it has one. Raises InvalidParameter."""
    if text is not None and not _KEY.fullmatch(text):
        raise InvalidParameter(
            "Idempotency-Key is 1 to 255 visible ASCII characters without spaces.", parameter="Idempotency-Key"
        )
    return text


def check_webhook(url: str, reach: Reach) -> None:
    """Raise InvalidParameter for a webhook that would never be called, as far as its URL shows that by itself."""
    try:
        check_written(url, reach)
    except Refused as error:
        raise InvalidParameter(
            f"webhook would not be called: {error}. Whoever runs this Darkroom can allow that with "
            "DARKROOM_WEBHOOK_ALLOW_PRIVATE.",
            parameter="webhook",
        ) from error


def display_name(text: str | None) -> str | None:
    """A file name made harmless for showing: no folders, no control or direction characters, at most 255 long."""
    if text is None:
        return None
    base = re.split(r"[/\\]", text)[-1]
    shown = "".join(character if character.isprintable() else " " for character in base)
    return " ".join(shown.split())[:_LONGEST_NAME] or None


def _read(given: Mapping[str, str], accept: str) -> Parameters:
    values = {name: _READERS[name](text) for name, text in given.items()}
    if "expected" in values and "batch" not in values:
        raise InvalidParameter("expected is for requests that join a batch; give batch too.", parameter="expected")
    output = _output({name: values.pop(name) for name in _OUTPUT_READERS if name in values}, accept)
    bulk = values.pop("priority", "normal") == "bulk"
    # Each reader returns the type of its field.
    return Parameters(output=output, bulk=bulk, **values)  # type: ignore[arg-type]


def _output(values: dict[str, object], accept: str) -> Output:
    if values.get("format") == "auto":
        lossless, animated = values.get("lossless"), values.get("frames") == "all"
        able = [name for name in WRITTEN if (not lossless or name in LOSSLESS) and (not animated or name in ANIMATED)]
        values["format"] = best_format(accept, able) or "source"
    if values.get("format") == "source":
        del values["format"]
    output = Output(**values)  # type: ignore[arg-type] # each reader returns the type of its field
    if output.lossless:
        _fits(output.format, LOSSLESS, "lossless")
    if output.frames == "all":
        _fits(output.format, ANIMATED, "frames=all")
    return output


def _fits(name: str | None, allowed: tuple[str, ...], why: str) -> None:
    if name is not None and name not in allowed:
        raise InvalidParameter(
            f"{why} needs a format that can: {', '.join(allowed)}, not {name}.", parameter="format", allowed=[*allowed]
        )


def _filters(text: str) -> str:
    return text


def _format(text: str) -> str:
    return _one_of("format", FORMATS)("jpeg" if text.lower() == "jpg" else text.lower())


def _one_of(name: str, allowed: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise InvalidParameter(f"{name} is one of {', '.join(allowed)}.", parameter=name, allowed=[*allowed])
        return text

    return read


def _yes_or_no(name: str) -> Callable[[str], bool]:
    choice = _one_of(name, ("true", "false"))
    return lambda text: choice(text) == "true"


def _integer(name: str, least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
            raise InvalidParameter(
                f"{name} is a whole number from {least} to {most}.",
                parameter=name,
                allowed={"minimum": least, "maximum": most},
            )
        return int(text)

    return read


def _url(name: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            url = urlsplit(text)
            well = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            well = False
        if not well or len(text) > _LONGEST_URL or not text.isprintable() or " " in text:
            raise InvalidParameter(
                f"{name} is an http or https URL of at most {_LONGEST_URL} characters.", parameter=name
            )
        if url.username is not None or url.password is not None:
            raise InvalidParameter(f"{name} is a URL without a user name or password in it.", parameter=name)
        return text

    return read


def _batch(text: str) -> str:
    if not _BATCH.fullmatch(text):
        raise InvalidParameter(
            "batch is 1 to 128 letters, digits, '.', '_' or '-' and starts with a letter or digit.", parameter="batch"
        )
    return text


def _source(text: str) -> str:
    if not _SOURCE.fullmatch(text):
        raise InvalidParameter("source is a key that POST /v1/uploads gave, or of a job.", parameter="source")
    return text


_OUTPUT_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "format": _format,
    "quality": _integer("quality", 1, 100),
    "lossless": _yes_or_no("lossless"),
    "subsampling": _one_of("subsampling", SUBSAMPLINGS),
    "metadata": _one_of("metadata", METADATA),
    "frames": _one_of("frames", FRAMES),
}
_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "filters": _filters,
    **_OUTPUT_READERS,
    "priority": _one_of("priority", PRIORITIES),
    "webhook": _url("webhook"),
    "batch": _batch,
    "expected": _integer("expected", 1, MOST_EXPECTED),
    "url": _url("url"),
    "source": _source,
}
