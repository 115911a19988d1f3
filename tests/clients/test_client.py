"""The Python clients against the running product."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from clients.api import AsyncClient, Client, Image
from shared.errors import Expired, IdempotencyConflict, NotFailed, NotFound, UnknownFilter, UnsupportedMedia
from tests.support.stack import Stack

Picture = Callable[..., Path]


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        yield client


def test_pictures_are_submitted_and_waited_for_in_their_order(client: Client, tmp_path: Path, picture: Picture) -> None:
    paths = [picture(tmp_path / f"{index}.png", seed=5000 + index) for index in range(3)]
    submitted = client.submit(paths, filters=[{"name": "blur", "size": 3}], format="webp", quality=80)
    jobs = client.wait_all(submitted, within=30)
    assert [job.name for job in jobs] == ["0.png", "1.png", "2.png"]
    assert {(job.state, job.media_type, job.output.quality) for job in jobs} == {("done", "image/webp", 80)}
    assert all(job.seconds is not None and job.seconds >= 0 for job in jobs)


def test_results_and_originals_come_back(client: Client, tmp_path: Path, picture: Picture) -> None:
    source = picture(tmp_path / "cat.png", seed=5100)
    job = client.wait(client.submit([source], filters="negative").jobs[0].id)
    assert client.original(job.id) == source.read_bytes()
    assert client.save_result(job.id, tmp_path / "new" / "out.png") == job.bytes_out
    assert (tmp_path / "new" / "out.png").read_bytes() == client.result(job.id)
    assert np.array_equal(cv2.imread(str(tmp_path / "new" / "out.png")), 255 - cv2.imread(str(source)))


def test_an_idempotency_key_gives_the_same_jobs_again(client: Client, tmp_path: Path, picture: Picture) -> None:
    source = picture(tmp_path / "cat.png", seed=5200)
    first = client.submit([source], idempotency_key="test-client-once")
    assert client.submit([source], idempotency_key="test-client-once") == first
    with pytest.raises(IdempotencyConflict):
        client.submit([source], filters="flip", idempotency_key="test-client-once")


def test_what_the_service_refuses_is_raised_as_its_own_error(client: Client, tmp_path: Path, picture: Picture) -> None:
    source = picture(tmp_path / "cat.png", seed=5300)
    with pytest.raises(UnknownFilter) as raised:
        client.submit([source], filters="nonsense")
    assert "sepia" in raised.value.details["allowed"]  # type: ignore[operator] # a list, as the service sends it
    with pytest.raises(UnsupportedMedia):
        client.submit([Image(b"no picture", "x.png")])
    with pytest.raises(NotFound):
        client.job("0-unknown")
    with pytest.raises(NotFound):
        client.replay("0-1-0")


def test_a_deleted_job_is_gone_with_its_bytes(client: Client, tmp_path: Path, picture: Picture) -> None:
    job = client.wait(client.submit([picture(tmp_path / "cat.png", seed=5400)]).jobs[0].id)
    client.delete(job.id)
    with pytest.raises(Expired):
        client.result(job.id)


def test_a_failed_job_is_run_again(client: Client, tmp_path: Path, picture: Picture) -> None:
    job_id = client.submit([_cut_short(picture(tmp_path / "cut.png", seed=5700))], filters="sepia").jobs[0].id
    first = client.wait(job_id)
    assert (first.state, first.run) == ("failed", 1)

    client.retry(job_id)

    again = client.wait(job_id)
    assert (again.state, again.run, again.error) == ("failed", 2, first.error)


def test_what_did_not_fail_is_not_run_again(client: Client, tmp_path: Path, picture: Picture) -> None:
    job = client.wait(client.submit([picture(tmp_path / "cat.png", seed=5800)]).jobs[0].id)
    with pytest.raises(NotFailed, match="This job is done"):
        client.retry(job.id)
    client.delete(job.id)
    with pytest.raises(Expired):
        client.retry(job.id)
    with pytest.raises(NotFound):
        client.retry("0-unknown")


async def test_the_asynchronous_client_runs_a_failed_job_again(stack: Stack, tmp_path: Path, picture: Picture) -> None:
    async with AsyncClient(stack.url) as client:
        job_id = (
            (await client.submit([_cut_short(picture(tmp_path / "cut.png", seed=5900))], filters="sepia")).jobs[0].id
        )
        assert (await client.wait(job_id)).run == 1
        await client.retry(job_id)
        again = await client.wait(job_id)
        assert (again.state, again.run) == ("failed", 2)
        with pytest.raises(NotFound):
            await client.retry("0-unknown")


def test_all_jobs_of_a_batch_are_paged_through(client: Client, tmp_path: Path, picture: Picture) -> None:
    submitted = client.submit([picture(tmp_path / f"{index}.png", seed=5500 + index) for index in range(7)])
    listed = [job.id for job in client.jobs(batch=submitted.batch, page=2)]
    assert sorted(listed) == sorted(job.id for job in submitted.jobs)


def test_the_operators_view_names_the_streams(client: Client) -> None:
    queue = client.queue()
    assert "image.uploaded:{0}" in [stream.name for stream in queue.streams]
    assert {worker.service for worker in queue.workers} == {"process", "results"}
    assert queue.rates.done_per_s >= 0


async def test_the_asynchronous_client_does_the_same(stack: Stack, tmp_path: Path, picture: Picture) -> None:
    source = picture(tmp_path / "cat.png", seed=5600)
    async with AsyncClient(stack.url) as client:
        submitted = await client.submit([source], filters="negative")
        states = [job.state async for job in client.events(batch=submitted.batch)]
        assert states[-1] == "done"
        (job,) = await client.wait_all(submitted)
        assert await client.original(job.id) == source.read_bytes()
        assert await client.save_result(job.id, tmp_path / "out.png") == len(await client.result(job.id))
        assert (await client.wait(job.id)).id == job.id
        assert "sepia" in [document.name for document in await client.filters()]
        assert job.id in [one.id async for one in client.jobs(batch=submitted.batch)]
        assert isinstance([letter async for letter in client.dead_letters()], list)
        await client.delete(job.id)
        with pytest.raises(Expired):
            await client.result(job.id)


def _cut_short(path: Path) -> Path:
    """The picture without its end: accepted by its header, failed by the worker."""
    path.write_bytes(path.read_bytes()[:1500])
    return path
