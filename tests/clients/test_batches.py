"""Batches and links from Python and the command line, with uploads that the service refused among them."""

import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.api import AsyncClient, Batch, Client, Image
from shared.errors import NotDone, NotFound
from tests.clients.command import Command, plain
from tests.clients.scripted import Answer, ScriptedServer, event_stream, job
from tests.support.stack import Stack

Picture = Callable[..., Path]


@pytest.fixture
def wrong(command: Command, picture: Picture) -> list[str]:
    """Names of good pictures, and of two whose header is right and which the service refuses all the same."""
    names = [str(picture(command.folder / f"{index}.png", seed=8000 + index).name) for index in range(6)]
    for name in ("huge-1.png", "huge-2.png"):
        header = (command.folder / names[0]).read_bytes()[:33]
        # 60,000 by 60,000 pixels, by its header.
        (command.folder / name).write_bytes(header[:16] + (60_000).to_bytes(4, "big") * 2 + header[24:] + name.encode())
    return [*names, "huge-1.png", "huge-2.png"]


def test_a_batch_with_refused_pictures_comes_to_its_end(command: Command, stack: Stack, wrong: list[str]) -> None:
    submitted = command("submit", *wrong, "-f", "sepia", "--no-wait", "--json")
    assert submitted.code == 1
    (batch,) = {document["batch"] for document in submitted.documents if document["id"]}
    assert [document["error"]["code"] for document in submitted.documents if document["error"]] == [
        *("too_many_pixels", "too_many_pixels")
    ]
    watched = command("watch", "--batch", batch, "--json", timeout=60)
    assert watched.code == 0
    assert {document["batch"] for document in watched.documents} == {batch}
    with Client(stack.url) as client:
        found = client.batch(batch)
    assert (found.expected, found.total, found.complete, found.counts) == (6, 6, True, {"done": 6})


def test_the_batch_is_told_in_a_terminal(command: Command, wrong: list[str]) -> None:
    shown = plain(command.in_terminal("submit", *wrong[:3], "-f", "edge", "--no-wait").shown)
    assert command(*_told(shown, "Follow them with")).code == 0
    shown = plain(command.in_terminal("submit", *wrong[:3], "-f", "edge").shown)
    assert len(command(*_told(shown, "See them again with"), "--json").documents) == 3


def _told(shown: str, hint: str) -> list[str]:
    """The arguments of the command that a hint names."""
    found = re.search(rf"{hint} '\S*darkroom ([^']+)'", shown)
    assert found, shown
    return found[1].split()


def test_a_wide_listing_names_batches(command: Command, wrong: list[str]) -> None:
    (document,) = command("submit", wrong[0], "--json").documents
    heads, row, *_ = command("status", document["id"]).lines
    assert "BATCH" in heads
    assert document["batch"] in row
    assert "BATCH" not in plain(command.in_terminal("status", document["id"], columns=100).shown)
    assert "BATCH" not in command("status", "--batch", document["batch"]).text


def test_a_batch_is_closed_from_python(stack: Stack, tmp_path: Path, picture: Picture) -> None:
    with Client(stack.url) as client:
        submitted = client.submit([picture(tmp_path / "a.png", seed=8100)], batch="closed-by-hand", expected=9)
        client.wait(submitted.jobs[0].id, within=30)
        assert client.batch("closed-by-hand").complete is False
        assert client.close_batch("closed-by-hand") == client.close_batch("closed-by-hand")
        *jobs, batch = client.changes(batch="closed-by-hand", within=30)
        assert [change.state for change in jobs if not isinstance(change, Batch)] == ["done"]
        assert isinstance(batch, Batch)
        assert (batch.complete, batch.expected, batch.counts) == (True, 1, {"done": 1})
        assert batch == client.batch("closed-by-hand")
        with pytest.raises(NotFound):
            client.close_batch("of-nobody")


def test_an_archive_is_saved(stack: Stack, tmp_path: Path, picture: Picture) -> None:
    with Client(stack.url) as client:
        submitted = client.submit([picture(tmp_path / f"{name}.png", seed=8200) for name in "ab"], filters="flip")
        client.wait_all(submitted, within=30)
        path = tmp_path / "new" / "all.zip"
        assert client.save_archive(submitted.batch, path) == path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["a-flip.png", "b-flip.png"]
            assert archive.read("a-flip.png") == client.result(submitted.jobs[0].id)
        cut = client.submit(
            [Image(picture(tmp_path / "c.png", seed=8201).read_bytes()[:1500], "cut.png")], filters="sepia"
        )
        client.wait_all(cut, within=30)
        with pytest.raises(NotDone):
            client.save_archive(cut.batch, tmp_path / "none.zip")
        assert not (tmp_path / "none.zip").exists()


def test_a_picture_is_shared(scripted: ScriptedServer) -> None:
    scripted.will_answer(Answer(201, b'{"url":"/v1/jobs/0-a/original?signature=x","expires":"2026-11-24T10:30:00Z"}'))
    with Client(scripted.url) as client:
        link = client.share("0-a", "original", seconds=60)
    assert link.url == f"{scripted.url}/v1/jobs/0-a/original?signature=x"
    assert link.expires == datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    (request,) = scripted.received
    assert (request.method, request.path) == ("POST", "/v1/jobs/0-a/links?what=original&seconds=60")


async def test_the_asynchronous_client_has_them_too(stack: Stack, tmp_path: Path, picture: Picture) -> None:
    async with AsyncClient(stack.url) as client:
        source = picture(tmp_path / "a.png", seed=8400)
        submitted = await client.submit([source], batch="closed-later", expected=2)
        await client.wait(submitted.jobs[0].id, within=30)
        assert (await client.close_batch("closed-later")).complete
        told = [change async for change in client.changes(batch="closed-later", within=30)]
        assert told[-1] == await client.batch("closed-later")
        assert await client.save_archive("closed-later", tmp_path / "all.zip") > 0


def test_a_batch_is_told_once_though_the_connection_breaks_before_the_end(scripted: ScriptedServer) -> None:
    end = (2, "end", b'{"batch":"b","id":"b","total":1,"complete":true}')
    news = (2, "of.a.newer.service", b'{"what":1}')
    scripted.will_answer(
        event_stream((1, "", job("a", "done")), news, breaks=True),
        event_stream((1, "", job("a", "done")), end),
    )
    with Client(scripted.url) as client:
        told = list(client.changes(batch="b", within=30))
    assert [change.id for change in told] == ["a", "b"]


def test_all_that_an_upload_can_ask_for_can_be_asked(stack: Stack, tmp_path: Path, picture: Picture) -> None:
    source = picture(tmp_path / "cat.png", seed=8500)
    with Client(stack.url) as client:
        submitted = client.submit([source], format="webp", lossless=True, metadata="none", frames="first", name="x.png")
        job_done = client.wait(submitted.jobs[0].id, within=30)
        assert (job_done.state, job_done.name, job_done.media_type) == ("done", "x.png", "image/webp")
        jpeg = client.submit([source], format="jpeg", subsampling="444")
        assert client.wait(jpeg.jobs[0].id, within=30).state == "done"
        with pytest.raises(ValueError, match="one image"):
            client.submit([source, source], name="x.png")


def test_a_name_goes_with_an_address(scripted: ScriptedServer) -> None:
    scripted.will_answer(Answer(202, b'{"batch":"b","jobs":[]}'))
    with Client(scripted.url) as client:
        client.submit([], url="https://images.example.com/1", name="cat.jpg")
    (request,) = scripted.received
    assert request.path == "/v1/images?url=https%3A%2F%2Fimages.example.com%2F1&name=cat.jpg"
    assert request.body == b""
