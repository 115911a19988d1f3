"""Uploading many pictures at a time: what is open and in memory is bounded by what was asked for, whatever comes."""

from pathlib import Path

import pytest

from clients import multipart, submitting
from clients.api import AsyncClient
from clients.inputs import find
from clients.items import Item
from clients.journal import Journal
from clients.submitting import Submitting, Task
from tests.support.stack import Stack

#: Uploads at a time.
PARALLEL = 3


class Counted(multipart._Content):
    """A picture that is being sent; counts those, and the largest piece of any."""

    now = most = largest = 0

    def __enter__(self) -> "Counted":
        Counted.now += 1
        Counted.most = max(Counted.most, Counted.now)
        super().__enter__()
        return self

    def __exit__(self, *told: object) -> None:
        Counted.now -= 1
        super().__exit__(*told)

    def read(self) -> bytes:
        piece = super().read()
        Counted.largest = max(Counted.largest, len(piece))
        return piece


async def test_parallel_uploads_hold_one_piece_each(
    stack: Stack, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(multipart, "_Content", Counted)
    monkeypatch.setattr(submitting, "MOST_IMAGES", 2)
    inputs, _ = find([str(photo) for photo in photos])
    items = [Item(index, one.shown, one) for index, one in enumerate(inputs)]
    async with AsyncClient(stack.url) as client:
        journal = Journal.open([], inputs)
        task = Task({"filters": "sepia"}, wait=False, parallel=PARALLEL, save=None)
        await Submitting(client, journal, task, lambda _: None).run(items)
    assert len({item.job_id for item in items}) == len(photos) > 2 * PARALLEL
    assert Counted.now == 0
    # So that what is in memory is at most their product.
    assert 1 <= Counted.most <= PARALLEL
    assert Counted.largest == multipart.PIECE
