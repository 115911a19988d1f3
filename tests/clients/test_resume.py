"""An interrupted `darkroom submit` goes on where it was when the same command is given again."""

import asyncio
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clients.api import Client
from clients.journal import Journal
from tests.clients.command import Command, plain
from tests.support.proxy import Proxy
from tests.support.stack import Stack
from tests.support.waiting import wait_until

Picture = Callable[..., Path]
#: More than two requests, sent one after the other.
FILES = 150
RUN = ("submit", "in", "-f", "sepia", "--parallel", "1", "--json")


class OneUpload(Proxy):
    """A network that fails when a second upload begins, until it is mended."""

    def __init__(self, upstream: int) -> None:
        super().__init__(upstream)
        self._allowed = 1
        #: Uploads that came through.
        self.passed = 0

    def mend(self) -> None:
        self._allowed = FILES
        super().mend()

    async def _pass(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        self._allowed -= data.startswith(b"POST /v1/images")
        if self._allowed < 0:
            self.choked = True
        else:
            self.passed += data.startswith(b"POST /v1/images")
            await super()._pass(data, sink)


@pytest.fixture
def network(command: Command, stack: Stack) -> Iterator[OneUpload]:
    """What lies between the command and the services."""
    with OneUpload(urlsplit(stack.url).port or 80).running() as proxy:
        command.environment["DARKROOM_URL"] = f"http://127.0.0.1:{proxy.port}"
        yield proxy


@pytest.fixture
def folder(command: Command, picture: Picture) -> Path:
    for index in range(FILES):
        picture(command.folder / "in" / f"{index:03}.png", seed=1000 + index, size=8)
    return command.folder


def journals(folder: Path) -> list[Path]:
    return list((folder / "state").glob("*.jsonl"))


def interrupted(command: Command, folder: Path, network: OneUpload) -> subprocess.Popen[bytes]:
    """A run that was stopped by Ctrl-C after its first request was accepted and before its second."""
    process = command.start(*RUN)
    wait_until(lambda: [path for path in journals(folder) if b'"jobs"' in path.read_bytes()], timeout=60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    network.mend()
    return process


def test_no_picture_becomes_two_jobs(command: Command, folder: Path, network: OneUpload, stack: Stack) -> None:
    first = interrupted(command, folder, network)
    assert first.returncode == 128 + signal.SIGINT
    (journal,) = journals(folder)
    batch = journal.read_text().split('"')[3]
    outcome = command(*RUN, timeout=120)
    assert outcome.code == 0
    with Client(stack.url) as client:
        jobs = {job.id for job in client.jobs(batch=batch)}
    assert {document["id"] for document in outcome.documents} == jobs
    assert len(jobs) == FILES
    assert journals(folder) == []


def test_ctrl_c_in_a_terminal_and_the_same_command_again_send_nothing_twice(
    command: Command, folder: Path, network: OneUpload
) -> None:
    with command.start_in_terminal(*RUN[:-1]) as terminal:
        # The first request was accepted, and the second is stuck: of both, eight pictures have a line of their own.
        terminal.wait_for("and 120 more")
        terminal.press(b"\x03")
        outcome = terminal.end()
    assert (outcome.code, "Traceback" in outcome.shown) == (130, False)
    assert "Interrupted; the same command goes on where this one stopped." in plain(outcome.shown)
    assert "watch --batch cli-" in plain(outcome.shown)
    assert len(journals(folder)) == 1
    network.mend()

    again = command.in_terminal(*RUN[:-1])

    assert again.code == 0
    assert f"{FILES} pictures in" in plain(again.shown)
    # 64, 64 and 22 pictures, each request once.
    assert network.passed == 3


def test_when_the_service_has_forgotten_the_run_it_starts_anew(
    command: Command, folder: Path, network: OneUpload
) -> None:
    interrupted(command, folder, network)
    (journal,) = journals(folder)
    head, *_ = journal.read_text().splitlines()
    journal.write_text(head + '\n{"request":"0-64","jobs":["0-unknown"]}')
    assert command(*RUN, timeout=120).code == 0


def test_a_line_that_was_cut_short_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_STATE_DIR", str(tmp_path))
    journal = Journal.open(["command"], [])
    journal.accepted("0-1", ["0-a"])
    journal.accepted("1-1", ["0-b"])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    again = Journal.open(["command"], [])
    again.accepted("2-1", ["0-c"])
    last = Journal.open(["command"], [])
    assert [last.jobs_of(request) for request in ("0-1", "1-1", "2-1")] == [["0-a"], None, ["0-c"]]
    assert last.batch == journal.batch


def test_another_command_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_STATE_DIR", str(tmp_path))
    assert Journal.open(["sepia"], []).batch != Journal.open(["blur"], []).batch


def test_where_nothing_can_be_remembered_it_works_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DARKROOM_STATE_DIR", str(tmp_path / "file" / "state"))
    journal = Journal.open(["command"], [])
    journal.accepted("0-1", ["0-a"])
    journal.close()
    assert journal.batch
