"""Every error of an app is a problem document, and none tells more than it should."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Query
from redis import exceptions as redis_errors

from shared import problems
from shared.errors import DarkroomError, RateLimited, TooManyPixels, every_error
from tests.ingest.running import assert_problem

FAULTS: dict[str, Exception] = {
    "known": TooManyPixels("Too large.", allowed=5),
    "limited": RateLimited("Slower."),
    "away": redis_errors.ConnectionError("10.0.0.7:6379 refused"),
    "slow": redis_errors.TimeoutError("10.0.0.7:6379"),
    "read only": redis_errors.ReadOnlyError("READONLY"),
    "full": redis_errors.OutOfMemoryError("OOM"),
    "wrong": redis_errors.ResponseError("WRONGTYPE secret"),
    "bug": KeyError("secret"),
}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)

    @app.get("/{fault}")
    async def fail(fault: str, limit: Annotated[int, Query(le=9)] = 1) -> None:
        raise FAULTS[fault]

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("known", 422, "too_many_pixels"),
        ("limited", 429, "rate_limited"),
        ("away", 503, "storage_unavailable"),
        ("slow", 503, "storage_unavailable"),
        ("read only", 503, "storage_unavailable"),
        ("full", 503, "overloaded"),
        ("wrong", 500, "internal_error"),
        ("bug", 500, "internal_error"),
    ],
)
async def test_each_kind_of_error_has_its_document(http: httpx.AsyncClient, fault: str, status: int, code: str) -> None:
    response = await http.get(f"/{fault}")

    assert_problem(response, status, code)
    assert ("retry-after" in response.headers) == (status in (429, 503))
    for inner in ("secret", "10.0.0.7"):
        assert inner not in response.text


async def test_what_an_error_adds_is_in_the_document(http: httpx.AsyncClient) -> None:
    assert (await http.get("/known")).json()["allowed"] == 5


async def test_a_parameter_that_does_not_fit_is_named(http: httpx.AsyncClient) -> None:
    body = assert_problem(await http.get("/known", params={"limit": "10"}), 422, "invalid_parameter")

    assert body["parameter"] == "limit"
    assert "9" in body["detail"]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
def test_every_error_can_be_described_and_answered(error: type[DarkroomError]) -> None:
    assert problems.answer(error("So it is.")).status_code == error.status
    assert f"`{error.code}`" in problems.described(error)[error.status]["description"]
