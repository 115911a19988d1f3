"""How many images a process takes: as many as its children start soon, one lane of a stream at a time."""

import asyncio

import pytest
from opentelemetry.trace import INVALID_SPAN

from services.process.door import MOST, PoolDoor, Seating
from services.process.orders import Order
from shared import keys
from shared.entries import Entry, Source
from shared.events import ImageUploaded

NORMAL = Source(keys.uploaded(0), keys.PROCESS_GROUP, 0)
OTHER = Source(keys.uploaded(1), keys.PROCESS_GROUP, 1)
BULK = Source(keys.uploaded(0, bulk=True), keys.PROCESS_GROUP, 0, bulk=True)


def order(megapixels: float | None = None) -> Order:
    """An image of so many megapixels; its publisher did not tell its size if there are none."""
    width = int(megapixels * 1000) if megapixels else None
    upload = ImageUploaded(source="inbox/cat", width=width, height=1000 if width else None)
    return Order(NORMAL, Entry("1-1", {}), upload, "0-1", INVALID_SPAN)


async def read(door: PoolDoor, source: Source = NORMAL, *, seated: int) -> int:
    """A lane reads what it may, and so many of that need the pool; returns how many it may have read."""
    async with asyncio.timeout(5):
        admitted = await door.admit(source)
    door.leave(source, admitted, admitted)
    for _ in range(seated):
        door.sit(source)
    door.learn(source, seated=seated)
    return admitted


async def shut(door: PoolDoor, source: Source = NORMAL) -> bool:
    """Whether a lane that wants to read has to wait."""
    waiting = asyncio.create_task(door.admit(source))
    await asyncio.sleep(0)
    waiting.cancel()
    answer = (await asyncio.gather(waiting, return_exceptions=True))[0]
    if isinstance(answer, int):
        door.leave(source, answer, 0)
    return not isinstance(answer, int)


async def test_two_images_of_each_child_are_taken_while_nothing_is_known_of_them() -> None:
    door = PoolDoor(2)
    assert await read(door, seated=4) == 4
    assert await shut(door)
    door.rise(NORMAL)
    assert await read(door, seated=1) == 1


@pytest.mark.parametrize(("seconds", "ahead"), [(0.1, 2), (0.03, 3), (0.01, 7), (0.0001, 10)])
async def test_more_are_taken_the_sooner_they_start_and_only_when_few_are_left(seconds: float, ahead: int) -> None:
    door = PoolDoor(2)
    door.took(order(), seconds)
    assert await read(door, seated=2 * ahead) == 2 * ahead
    for _ in range(2 * ahead - 4):
        door.rise(NORMAL)
        assert await shut(door), "as long as two of each child are here"
    door.rise(NORMAL)
    assert await read(door, seated=0) == 2 * ahead - 3


async def test_a_slow_image_counts_at_once_and_fast_ones_bit_by_bit() -> None:
    door = PoolDoor(1)
    door.took(order(), 0.01)
    assert door.room(NORMAL) == 7
    door.took(order(), 1.0)
    assert door.room(NORMAL) == 2
    door.took(order(), 0.01)
    assert door.room(NORMAL) == 2


async def test_batches_that_need_no_pool_are_doubled() -> None:
    door = PoolDoor(1)
    assert [await read(door, seated=0) for _ in range(10)] == [2, 2, 4, 8, 16, 32, 64, 128, MOST, MOST]
    assert await read(door, seated=1) == MOST
    assert await read(door, seated=0) == 1


async def test_the_next_lane_of_a_stream_waits_until_a_batch_was_sorted() -> None:
    door = PoolDoor(2)
    admitted = await door.admit(NORMAL)
    assert await shut(door)
    door.leave(NORMAL, admitted, admitted)
    assert await shut(door)
    door.learn(NORMAL, seated=0)
    assert not await shut(door)


async def test_a_read_that_brought_nothing_lets_the_next_lane_in() -> None:
    door = PoolDoor(2)
    door.leave(NORMAL, await door.admit(NORMAL), 0)
    assert not await shut(door)


async def test_streams_share_the_seats_and_priorities_have_their_own() -> None:
    door = PoolDoor(2)
    await read(door, seated=0)
    await read(door, BULK, seated=4)
    assert await read(door, OTHER, seated=0) == 2
    assert await shut(door, BULK)
    assert not await shut(door)


async def test_a_stream_that_brings_nothing_leaves_its_share_to_the_others() -> None:
    door = PoolDoor(2)
    await read(door, OTHER, seated=0)
    assert await read(door, seated=0) == 2
    door.leave(OTHER, await door.admit(OTHER), 0)
    assert await read(door, seated=0) == 4


async def test_a_batch_gives_back_each_of_its_seats_once() -> None:
    door = PoolDoor(2)
    with Seating(door, NORMAL) as seats:
        seats.sit(3)
        seats.rise()
        assert door.room(NORMAL) == 2
    assert door.room(NORMAL) == 4


async def test_a_batch_that_came_another_way_lets_no_second_lane_in() -> None:
    door = PoolDoor(2)
    await door.admit(NORMAL)
    await asyncio.create_task(taken_over(door))
    assert await shut(door)


async def taken_over(door: PoolDoor) -> None:
    door.learn(NORMAL, seated=0)


@pytest.mark.parametrize(
    ("sizes", "fitting"),
    [([1] * 20, 14), ([None] * 20, 14), ([12] * 20, 4), ([1, 1, 1, 1, 30, 1, 1], 5), ([60] * 2, 2)],
)
async def test_images_fit_as_far_as_they_start_soon(sizes: list[float | None], fitting: int) -> None:
    door = PoolDoor(2)
    door.took(order(1), 0.01)
    assert door.fitting(NORMAL, [order(size) for size in sizes]) == fitting


async def test_one_image_always_fits() -> None:
    door = PoolDoor(1)
    for _ in range(5):
        door.sit(NORMAL)
    assert door.fitting(NORMAL, [order(), order()]) == 1
