"""Multipart requests (RFC 7578) as they stream in: fields, and images of which one is held at a time."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import dataclass
from typing import Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from services.ingest.intake import Intake
from services.ingest.parameters import display_name
from shared.errors import InvalidRequest

#: The name of the parts that are images.
IMAGE: Final = "image"
#: Bytes of one field that is not an image.
_LONGEST_FIELD: Final = 64 * 1024
#: Fields in one request; there are fewer parameters, and none may come twice.
_MOST_FIELDS: Final = 16
#: Bytes that the lines around one part take at most, for bounds on a whole body.
PART_OVERHEAD: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Field:
    """A field that came whole."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ImageStart:
    """An image begins; nothing of it has been kept yet."""

    number: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Image:
    """An image that came whole. It is let go of when the next part is asked for."""

    number: int
    name: str | None
    intake: Intake


Part = Field | ImageStart | Image


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a Content-Type names; none when it is not multipart/form-data.

    Raises InvalidRequest when it is, but has no boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary")
    if not boundary:
        raise InvalidRequest("The Content-Type multipart/form-data has no boundary.")
    return boundary


async def read_parts(
    chunks: AsyncIterable[bytes], boundary: bytes, *, max_images: int, new_intake: Callable[[], Intake]
) -> AsyncGenerator[Part, None]:
    """The parts of a body, in order. Close the iterator (`contextlib.aclosing`) so that nothing stays held.

    Raises InvalidRequest for what is no multipart body, for unnamed parts, and for too many parts; and what
    `Intake.add` raises.
    """
    try:
        tokens = _Tokens(boundary)
    except FormParserError as error:
        raise InvalidRequest(f"The body is not readable as multipart/form-data: {error}") from error
    reader = _PartReader(max_images, new_intake)
    try:
        async for chunk in chunks:
            for token in tokens.feed(chunk):
                part = reader.take(token)
                if part is not None:
                    yield part
        if not tokens.ended:
            raise InvalidRequest("The body ends before its last boundary.")
    finally:
        reader.close()


@dataclass(frozen=True, slots=True)
class _Begin:
    disposition: bytes


class _End:
    """The part is complete."""


_Token = _Begin | memoryview | _End


class _Tokens:
    """Turns the parser's callbacks into what happened in one chunk, in order."""

    def __init__(self, boundary: bytes) -> None:
        self.ended = False
        self._happened: list[_Token] = []
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def feed(self, chunk: bytes) -> list[_Token]:
        self._happened = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest(f"The body is not readable as multipart/form-data: {error}") from error
        return self._happened

    def _on_part_begin(self) -> None:
        self._disposition = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        self._happened.append(_Begin(self._disposition))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._happened.append(memoryview(data)[start:end])

    def _on_part_end(self) -> None:
        self._happened.append(_End())

    def _on_end(self) -> None:
        self.ended = True


class _PartReader:
    """Puts parts together from tokens."""

    def __init__(self, max_images: int, new_intake: Callable[[], Intake]) -> None:
        self._max_images = max_images
        self._new_intake = new_intake
        self._images = 0
        self._fields = 0
        self._name = ""
        self._file_name: str | None = None
        self._intake: Intake | None = None
        self._field = bytearray()

    def take(self, token: _Token) -> Part | None:
        """What a token completes or begins, if anything."""
        if isinstance(token, _Begin):
            return self._begin(token.disposition)
        if isinstance(token, _End):
            return self._end()
        if self._intake is not None:
            self._intake.add(token)
            return None
        self._field += token
        if len(self._field) > _LONGEST_FIELD:
            raise InvalidRequest(f"The field {self._name!r} is longer than {_LONGEST_FIELD} bytes.")
        return None

    def close(self) -> None:
        """Let go of the image that was being read or was handed out last."""
        if self._intake is not None:
            self._intake.close()
            self._intake = None

    def _begin(self, disposition: bytes) -> Part | None:
        self.close()
        kind, options = parse_options_header(disposition)
        name = options.get(b"name")
        if kind != b"form-data" or not name:
            raise InvalidRequest("A part of the body has no name.")
        self._name = _decoded(name)
        if self._name == IMAGE:
            return self._begin_image(options.get(b"filename"))
        if b"filename" in options:
            raise InvalidRequest(f"Images come in parts named {IMAGE!r}, not {self._name!r}.", allowed=[IMAGE])
        self._fields += 1
        if self._fields > _MOST_FIELDS:
            raise InvalidRequest(f"A request has at most {_MOST_FIELDS} fields.", allowed=_MOST_FIELDS)
        self._field.clear()
        return None

    def _begin_image(self, file_name: bytes | None) -> Part:
        self._images += 1
        if self._images > self._max_images:
            raise InvalidRequest(f"A request has at most {self._max_images} images.", allowed=self._max_images)
        self._file_name = display_name(file_name.decode("utf-8", "replace")) if file_name else None
        self._intake = self._new_intake()
        return ImageStart(self._images, self._file_name)

    def _end(self) -> Part:
        if self._intake is not None:
            return Image(self._images, self._file_name, self._intake)
        return Field(self._name, _decoded(bytes(self._field)))


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("A field of the form is not UTF-8.") from error
