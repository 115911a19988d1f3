"""The multipart reader against any body, cut into any pieces."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.intake import Budget, Intake
from services.ingest.multipart import Field, Image, ImageStart, boundary_of, read_parts
from services.ingest.parameters import display_name
from shared.errors import InvalidRequest, UnsupportedMedia

BOUNDARY = b"b0undary"
PNG = b"\x89PNG\r\n\x1a\n"

names = st.text(st.characters(codec="utf-8", exclude_characters='"\\\r\n\0', exclude_categories=("Cc",)), max_size=20)
contents = st.binary(max_size=300) | st.sampled_from([b"\r\n--b0undar", b"\r\n--", b"\r", b"--b0undary--", b"\r\n\r\n"])
fields = st.tuples(st.just("field"), st.sampled_from(["filters", "format"]), st.text(max_size=50))
images = st.tuples(st.just("image"), names, contents.map(lambda content: PNG + content))


def body_of(parts: list[tuple[str, str, str | bytes]]) -> bytes:
    body = b""
    for kind, name, content in parts:
        body += b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; "
        if kind == "image":
            body += f'name="image"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'.encode()
        else:
            body += f'name="{name}"\r\n\r\n'.encode()
        body += (content if isinstance(content, bytes) else content.encode()) + b"\r\n"
    return body + b"--" + BOUNDARY + b"--\r\n"


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def read(body: bytes, size: int, *, budget: Budget | None = None, max_images: int = 64) -> list[tuple[object, ...]]:
    """Name and content of all parts, as the reader tells them."""
    budget = budget or Budget(10_000_000)

    def intake() -> Intake:
        return Intake(budget, limit=1_000_000, memory=100, folder=Path("/tmp"))

    async def collect() -> list[tuple[object, ...]]:
        told: list[tuple[object, ...]] = []
        parts = read_parts(pieces(body, size), BOUNDARY, max_images=max_images, new_intake=intake)
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Field):
                    told.append(("field", part.name, part.text))
                elif isinstance(part, Image):
                    told.append(("image", part.name, bytes(part.intake.contents()[:])))
                else:
                    assert isinstance(part, ImageStart)
        return told

    return asyncio.run(collect())


@given(parts=st.lists(fields | images, max_size=8), size=st.integers(1, 400))
@settings(max_examples=150, deadline=None)
def test_parts_come_out_as_they_went_in_however_the_body_is_cut(
    parts: list[tuple[str, str, str | bytes]], size: int
) -> None:
    boundaries = [content for _, _, content in parts if isinstance(content, bytes) and b"\r\n--b0undary" in content]
    if boundaries:
        return
    budget = Budget(10_000_000)

    told = read(body_of(parts), size, budget=budget)

    assert told == [(kind, display_name(name) if kind == "image" else name, content) for kind, name, content in parts]
    assert budget.used == 0


@given(body=st.binary(max_size=400), size=st.integers(1, 100), start=st.sampled_from([b"", body_of([])[:-6]]))
@settings(max_examples=200, deadline=None)
def test_any_other_body_is_refused_by_name_and_leaves_nothing_held(body: bytes, size: int, start: bytes) -> None:
    budget = Budget(10_000_000)
    with suppress(InvalidRequest, UnsupportedMedia):
        read(start + body, size, budget=budget)
    assert budget.used == 0


@given(cut=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_body_that_ends_early_is_refused(cut: float) -> None:
    whole = body_of([("field", "filters", "sepia"), ("image", "a.png", PNG + bytes(500))])
    last = whole.rindex(b"--")

    with pytest.raises(InvalidRequest):
        read(whole[: int(cut * last)], 64)


def test_an_image_above_the_limit_is_refused_before_it_is_read() -> None:
    body = body_of([("image", f"{n}", PNG) for n in range(3)])

    with pytest.raises(InvalidRequest, match="at most 2 images"):
        read(body, 50, max_images=2)


@given(st.text())
def test_a_shown_name_is_one_short_line_without_folders(text: str) -> None:
    name = display_name(text)

    if name is not None:
        assert 0 < len(name) <= 255
        assert name.isprintable()
        assert "/" not in name
        assert "\\" not in name


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        ("image/png", None),
        ("", None),
        ("application/x-www-form-urlencoded", None),
    ],
)
def test_the_boundary_is_read_from_the_content_type(content_type: str, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary
