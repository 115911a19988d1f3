"""A bad image costs itself, never the pool."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import monotonic

import msgspec
import numpy as np
import psutil
import pytest

from services.process.pool import Pool
from services.process.request import Report, Request
from services.process.settings import ProcessSettings
from shared.blobs import BlobStore
from shared.errors import TimedOut, WorkerCrashed
from tests.process.pictures import encoded, scene

Ask = Callable[..., Request]
Open = Callable[..., Awaitable[Pool]]

#: Filters that keep a child busy for seconds.
SLOW = [{"name": "blur", "size": 99, "sigma": 50.0}] * 32


@pytest.fixture
async def opened(store: BlobStore) -> AsyncIterator[Open]:
    pools: list[Pool] = []

    async def open_pool(**settings: object) -> Pool:
        pool = Pool(ProcessSettings(blob_url=store.url, **{"workers": 1, **settings}))
        pools.append(pool)
        await pool.start()
        return pool

    yield open_pool
    for pool in pools:
        await pool.close(0)


async def until(condition: Callable[[], bool], limit: float = 20) -> None:
    end = monotonic() + limit
    while not condition():
        assert monotonic() < end, "it did not come true"
        await asyncio.sleep(0.005)


def good(ask: Ask) -> Request:
    return ask(encoded(".jpg", scene(40, 60)), {"name": "sepia"})


def slow(store: BlobStore) -> Request:
    store.put("inbox/slow", encoded(".jpg", scene(1500, 1500)))
    return Request(job_id="0-slow", source="inbox/slow", owner="local", filters=list(SLOW))


def check(report: Report) -> None:
    assert report.error is None
    assert report.result is not None


async def test_images_are_developed_side_by_side(opened: Open, ask: Ask) -> None:
    pool = await opened(workers=2)
    assert (pool.size, pool.children, pool.busy) == (2, 2, 0)
    good(ask)
    requests = [
        Request(job_id=f"0-{n}", source="inbox/picture", owner="local", filters=[{"name": "brighten", "amount": n}])
        for n in range(40)
    ]
    reports = await asyncio.gather(*map(pool.develop, requests))
    for report in reports:
        check(report)
    assert len({report.result.key for report in reports if report.result}) == 40
    assert not pool.restarts


async def test_a_crash_costs_one_image(opened: Open, ask: Ask, store: BlobStore) -> None:
    pool = await opened()
    task = asyncio.create_task(pool.develop(slow(store)))
    await until(lambda: pool.busy == 1)
    os.kill(pool.pids[0], signal.SIGKILL)
    with pytest.raises(WorkerCrashed):
        await task
    check(await pool.develop(good(ask)))
    assert pool.restarts == {"worker_crashed": 1}


async def test_children_that_died_idle_cost_no_image(opened: Open, ask: Ask) -> None:
    pool = await opened(workers=2)
    family = [psutil.Process(pid) for pid in pool.pids]
    for member in family:
        member.kill()
    await until(lambda: not any(member.is_running() and member.status() != "zombie" for member in family))
    check(await pool.develop(good(ask)))
    assert pool.restarts["crashed"] >= 1


async def test_a_hang_ends_at_the_time_limit_and_waiting_for_it_does_not_count(opened: Open, ask: Ask) -> None:
    pool = await opened(time_limit=3)
    os.kill(pool.pids[0], signal.SIGSTOP)
    hanging = asyncio.create_task(pool.develop(good(ask)))
    waiting = asyncio.create_task(pool.develop(ask(encoded(".png", scene(40, 60)), {"name": "blur"})))
    with pytest.raises(TimedOut, match="more than 3 s"):
        await hanging
    check(await waiting)
    assert pool.restarts == {"timed_out": 1}


async def test_an_image_that_takes_too_long_fails_alone(opened: Open, ask: Ask, store: BlobStore) -> None:
    pool = await opened(time_limit=1)
    with pytest.raises(TimedOut, match="more than 1 s"):
        await pool.develop(slow(store))
    check(await pool.develop(good(ask)))
    assert pool.restarts == {"timed_out": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
async def test_an_image_that_needs_too_much_memory_fails_alone(opened: Open, ask: Ask, store: BlobStore) -> None:
    pool = await opened(memory_limit=64)
    before = pool.pids
    for extension in (".png", ".jpg"):
        store.put("inbox/large", encoded(extension, np.zeros((9000, 9000, 3), np.uint8)))
        report = await pool.develop(Request(job_id="0-large", source="inbox/large", owner="local"))
        assert report.error is not None, extension
        assert report.error.code == "out_of_memory", extension
        check(await pool.develop(good(ask)))
    assert pool.pids == before


async def test_cancelling_stops_the_work(opened: Open, ask: Ask, store: BlobStore) -> None:
    pool = await opened()
    before = pool.pids
    task = asyncio.create_task(pool.develop(slow(store)))
    await until(lambda: pool.busy == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    check(await pool.develop(good(ask)))
    assert pool.pids != before
    assert pool.restarts == {"cancelled": 1}


async def test_the_same_work_at_the_same_moment_is_done_once(opened: Open, ask: Ask) -> None:
    pool = await opened(workers=2)
    request = good(ask)
    reports = await asyncio.gather(*(pool.develop(request) for _ in range(8)))
    assert all(report is reports[0] for report in reports)


async def test_shared_work_goes_on_while_one_caller_is_left(opened: Open, store: BlobStore) -> None:
    pool = await opened()
    store.put("inbox/slow", encoded(".jpg", scene(2000, 2000)))
    request = Request(job_id="0-a", source="inbox/slow", owner="local", filters=SLOW[:2])
    first, second = (asyncio.create_task(pool.develop(request)) for _ in range(2))
    await until(lambda: pool.busy == 1)
    first.cancel()
    check(await second)
    assert first.cancelled()
    assert not pool.restarts


async def test_work_that_was_cancelled_and_begun_anew_is_shared_too(opened: Open, store: BlobStore) -> None:
    pool = await opened(workers=2)
    request = msgspec.structs.replace(slow(store), filters=SLOW[:2])
    first = asyncio.create_task(pool.develop(request))
    await until(lambda: pool.busy == 1)
    first.cancel()
    # comes in after the first has let go and before its work has ended
    second = asyncio.create_task(pool.develop(request))
    with pytest.raises(asyncio.CancelledError):
        await first
    await until(lambda: pool.restarts["cancelled"] == 1)
    third = asyncio.create_task(pool.develop(request))
    assert await second is await third


async def test_a_child_that_has_grown_is_replaced_while_idle(opened: Open, store: BlobStore) -> None:
    pool = await opened(recycle_growth=16)
    before = pool.pids
    store.put("inbox/large", encoded(".jpg", scene(3000, 4000)))
    check(await pool.develop(Request(job_id="0-a", source="inbox/large", owner="local")))
    await until(lambda: pool.pids not in ([], before))
    assert pool.restarts == {"grown": 1}


async def test_children_are_deaf_to_signals_for_the_whole_group(opened: Open, ask: Ask) -> None:
    pool = await opened()
    before = pool.pids
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(pool.pids[0], number)
    check(await pool.develop(good(ask)))
    assert pool.pids == before


async def test_closing_lets_work_finish_within_its_grace(opened: Open, ask: Ask) -> None:
    pool = await opened()
    task = asyncio.create_task(pool.develop(good(ask)))
    await asyncio.sleep(0)
    await pool.close(20)
    check(await task)
    assert pool.children == 0


async def test_closing_ends_work_after_its_grace(opened: Open, store: BlobStore) -> None:
    pool = await opened()
    pids = pool.pids
    task = asyncio.create_task(pool.develop(slow(store)))
    await until(lambda: pool.busy == 1)
    await pool.close(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ties children to parents on Linux only")
async def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        textwrap.dedent(f"""
        import asyncio
        from services.process.pool import Pool
        from services.process.settings import ProcessSettings
        from shared.blobs import BlobStore

        async def main():
            BlobStore("file://{tmp_path}/blobs")
            pool = Pool(ProcessSettings(blob_url="file://{tmp_path}/blobs", workers=2))
            await pool.start()
            print(*pool.pids, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """)
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, program, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    family = [psutil.Process(int(pid)) for pid in (await parent.stdout.readline()).split()]
    family += psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    await parent.wait()
    assert len(family) >= 3
    await until(lambda: not any(member.is_running() and member.status() != "zombie" for member in family))


def test_the_parent_needs_no_numba_and_the_pool_no_opencv() -> None:
    program = "import sys, services.process.pool; print('cv2' in sys.modules, 'numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


async def test_a_normal_image_overtakes_the_bulk_ones_that_wait(opened: Open, ask: Ask, store: BlobStore) -> None:
    pool = await opened()
    ended: list[str] = []

    async def develop(name: str, request: Request, *, bulk: bool) -> None:
        await pool.develop(request, bulk=bulk)
        ended.append(name)

    long = msgspec.structs.replace(slow(store), filters=SLOW[:4])
    # The same work would be shared.
    quick = [msgspec.structs.replace(good(ask), filters=[{"name": "blur", "size": size}]) for size in (3, 5, 7, 9)]
    tasks = [asyncio.create_task(develop(f"bulk {n}", one, bulk=True)) for n, one in enumerate([long, *quick])]
    await until(lambda: pool.busy == 1)
    tasks.append(asyncio.create_task(develop("normal", good(ask), bulk=False)))
    await asyncio.gather(*tasks)
    assert ended[:2] == ["bulk 0", "normal"]
    assert len(ended) == 6
