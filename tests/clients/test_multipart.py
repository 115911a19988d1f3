"""Uploads on the wire: what a real parser reads is what was given, and the length is right."""

from io import BytesIO
from pathlib import Path

import pytest
import python_multipart
from hypothesis import given
from hypothesis import strategies as st

from clients.multipart import PIECE, Body, Image

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\"), max_size=20)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30)


def parsed(body: Body) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
    data = b"".join(body.pieces())
    assert body.headers["Content-Length"] == str(len(data))
    fields: dict[str, str] = {}
    files: list[tuple[str, bytes]] = []

    def on_field(field: python_multipart.multipart.Field) -> None:
        fields[(field.field_name or b"").decode()] = (field.value or b"").decode()

    def on_file(file: python_multipart.multipart.File) -> None:
        file.file_object.seek(0)
        files.append(((file.file_name or b"").decode(), file.file_object.read()))

    headers = {"Content-Type": body.headers["Content-Type"].encode(), "Content-Length": str(len(data)).encode()}
    python_multipart.parse_form(headers, BytesIO(data), on_field, on_file)
    return fields, files


@given(
    st.dictionaries(st.sampled_from(["filters", "batch", "format"]), VALUES), st.lists(st.tuples(NAMES, st.binary()))
)
def test_fields_and_images_arrive_as_they_were_given(fields: dict[str, str], images: list[tuple[str, bytes]]) -> None:
    read_fields, read_images = parsed(Body(fields, [Image(data, name) for name, data in images]))
    assert read_fields == fields
    assert [data for _, data in read_images] == [data for _, data in images]


def test_a_name_with_quotes_and_line_ends_stays_inside_its_header() -> None:
    name = 'a"b\r\nX-Evil: 1\r\n\r\nä.png'
    assert parsed(Body({}, [Image(b"data", name)]))[1] == [("a%22b%0D%0AX-Evil: 1%0D%0A%0D%0Aä.png", b"data")]


async def test_a_file_is_read_in_pieces_and_a_body_can_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(bytes(range(256)) * 4096)
    body = Body({"filters": "sepia"}, [Image.of(path)])
    first = [piece async for piece in body.pieces_async()]
    assert max(map(len, first)) == PIECE
    assert b"".join(first) == b"".join(body.pieces())


def test_a_file_that_became_shorter_breaks_the_upload(tmp_path: Path) -> None:
    path = tmp_path / "shrinking.png"
    path.write_bytes(b"long enough")
    body = Body({}, [Image.of(path)])
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="changed while it was uploaded"):
        b"".join(body.pieces())
