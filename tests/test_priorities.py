"""A backlog of bulk jobs keeps nobody waiting, through the whole product."""

import os
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from services.process.pool import cores
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(400)

BACKLOG = 30
QUERY = "?filters=blur:size=15"


def picture(number: int) -> bytes:
    """One of 1 megapixel, unlike any other: some ten milliseconds of work."""
    pixels = np.random.default_rng(9000 + number).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes() + os.urandom(8)


def ended(http: httpx.Client, batch: str, count: int) -> list[dict[str, Any]]:
    """The jobs of a batch once all have ended."""

    def documents() -> list[dict[str, Any]] | None:
        jobs: list[dict[str, Any]] = http.get("/v1/jobs", params={"batch": batch, "limit": 100}).json()["jobs"]
        return jobs if len(jobs) == count and all(job["finished"] for job in jobs) else None

    return wait_until(documents, timeout=120) or []


def test_a_backlog_of_bulk_jobs_delays_a_normal_one_by_what_is_in_work(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url, timeout=60) as http:
        files = [("image", (f"{n}.jpg", picture(n), "image/jpeg")) for n in range(BACKLOG)]
        bulk = http.post("/v1/images" + QUERY + "&priority=bulk", files=files).raise_for_status().json()
        normal = http.post("/v1/images" + QUERY, content=picture(BACKLOG)).raise_for_status().json()
        (job,) = ended(http, normal["batch"], 1)
        between = [
            other
            for other in ended(http, bulk["batch"], BACKLOG)
            if job["created"] < other["finished"] < job["finished"]
        ]
    assert job["state"] == "done"
    # What was in work, and what came into work on the other children before this one ended.
    assert len(between) <= 3 * cores()
