"""Normal images go first, bulk never starves, and no child is lost."""

import asyncio

from services.process.turns import Turn, Turns


class Line:
    """Images that queue for one child, and the order in which they got it."""

    def __init__(self, share: int) -> None:
        self.turns: Turns[str] = Turns(share)
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    def join(self, names: str) -> None:
        """`n` is an image of normal priority, `b` a bulk one."""
        for name in names:
            self.tasks.append(asyncio.create_task(self._develop(name)))

    async def serve(self) -> str:
        """Let everybody join, then open with the one child, until all were served."""
        await asyncio.sleep(0)
        self.turns.free("child")
        await asyncio.gather(*self.tasks)
        return "".join(self.order)

    async def _develop(self, name: str) -> None:
        child = await self.turns.child(Turn(bulk=name == "b"))
        self.order.append(name)
        await asyncio.sleep(0)
        self.turns.free(child)


async def test_a_normal_image_goes_before_all_bulk_ones_that_wait() -> None:
    line = Line(10)
    line.join("bbbbbbbbn")
    assert await line.serve() == "nbbbbbbbb"


async def test_bulk_gets_its_share_of_a_backlog_of_normal_images() -> None:
    line = Line(4)
    line.join("n" * 12 + "b" * 4)
    assert await line.serve() == "nnnbnnnbnnnbnnnb"


async def test_normal_images_that_had_nobody_beside_them_do_not_count_against_the_next() -> None:
    line = Line(4)
    line.join("n" * 20)
    await line.serve()
    line.order.clear()
    await line.turns.child(Turn(bulk=False))
    line.join("bnn")
    assert await line.serve() == "nnb"


async def test_a_bulk_image_that_a_normal_request_joins_goes_first() -> None:
    turns: Turns[str] = Turns(10)
    bulk, joined = Turn[str](bulk=True), Turn[str](bulk=True)
    first = asyncio.create_task(turns.child(bulk))
    second = asyncio.create_task(turns.child(joined))
    await asyncio.sleep(0)
    turns.promote(joined)
    turns.free("child")
    assert await second == "child"
    assert not first.done()
    turns.free("child")
    assert await first == "child"


async def test_one_that_is_cancelled_while_it_waits_takes_no_child() -> None:
    turns: Turns[str] = Turns(10)
    waiting = asyncio.create_task(turns.child(Turn(bulk=False)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    turns.free("child")
    assert turns.idle == 1


async def test_one_that_is_cancelled_as_its_child_comes_gives_it_back() -> None:
    turns: Turns[str] = Turns(10)
    waiting = asyncio.create_task(turns.child(Turn(bulk=False)))
    await asyncio.sleep(0)
    turns.free("child")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert turns.idle == 1


async def test_a_child_that_comes_as_one_is_cancelled_goes_to_the_next() -> None:
    turns: Turns[str] = Turns(10)
    gone = asyncio.create_task(turns.child(Turn(bulk=False)))
    stays = asyncio.create_task(turns.child(Turn(bulk=False)))
    await asyncio.sleep(0)
    gone.cancel()
    turns.free("child")
    assert await stays == "child"
    await asyncio.gather(gone, return_exceptions=True)
    assert gone.cancelled()
