"""Uploads at and above the limit of the default settings: answered, and one image at a time."""

import pytest

from tests.ingest.pictures import picture
from tests.ingest.running import Running, assert_problem

MIB = 1024 * 1024


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    return empty_valkey


async def test_an_oversized_body_is_answered_though_its_sender_goes_on(ingest: Running) -> None:
    response = await ingest.http.post("/v1/images", content=picture("PNG") + bytes(80 * MIB))

    assert_problem(response, 413, "too_many_bytes")
    assert (await ingest.http.post("/v1/images", content=picture("PNG"))).status_code == 202


async def test_of_a_large_form_one_image_is_held_at_a_time(ingest: Running) -> None:
    image = picture("PNG") + bytes(20 * MIB)
    files = [("image", (f"{n}.png", image)) for n in range(4)]

    response = await ingest.http.post("/v1/images", files=files)

    assert response.status_code == 202
    assert ingest.service.uploads.budget.peak <= 21 * MIB
