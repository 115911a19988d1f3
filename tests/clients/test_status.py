"""`status`, `watch`, `filters`: what is told of jobs and of what can be done."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.clients.command import Command
from tests.support.stack import Stack

Picture = Callable[..., Path]


@pytest.fixture
def done(command: Command, picture: Picture) -> str:
    """The id of a job that is done."""
    picture(command.folder / "cat.png", seed=4000)
    return str(command("submit", "cat.png", "-f", "blur:size=5", "--json").documents[0]["id"])


def test_status_shows_a_job(command: Command, done: str) -> None:
    outcome = command("status", done)
    assert outcome.code == 0
    header, row = outcome.lines
    assert header.split()[:4] == ["JOB", "STATE", "NAME", "FILTERS"]
    assert row.split()[:4] == [done, "done", "cat.png", "blur:size=5"]


def test_status_as_json_is_the_job_document(command: Command, done: str) -> None:
    (document,) = command("status", done, "--json").documents
    assert (document["id"], document["state"], document["filters"]) == (done, "done", [{"name": "blur", "size": 5}])


def test_every_command_shows_the_document_that_the_service_sent(
    command: Command, stack: Stack, picture: Picture
) -> None:
    picture(command.folder / "same.png", seed=4001)
    (line,) = command("submit", "same.png", "-f", "blur:size=5", "-f", "sepia", "--json").documents
    sent = httpx.get(f"{stack.url}/v1/jobs/{line['id']}").json()
    assert len(sent["filter_ms"]) == 2
    assert line["job"] == sent
    assert command("status", sent["id"], "--json").documents == [sent]
    assert sent in command("status", "--batch", sent["batch"], "--json").documents
    assert command("watch", sent["id"], "--json").documents == [sent]


def test_status_lists_the_newest_first(command: Command, done: str) -> None:
    documents = command("status", "--limit", "3", "--state", "done", "--json").documents
    assert documents[0]["id"] == done
    assert len(documents) <= 3


def test_status_of_a_job_that_is_not_known_fails(command: Command, done: str) -> None:
    outcome = command("status", done, "0-unknown", "--json")
    assert outcome.code == 1
    assert "0-unknown" in outcome.errors
    assert [document["id"] for document in outcome.documents] == [done]


def test_watch_tells_the_end_of_a_batch(command: Command, picture: Picture) -> None:
    for index in range(5):
        picture(command.folder / "in" / f"{index}.png", seed=4100 + index)
    (command.folder / "in" / "cut.png").write_bytes((command.folder / "in" / "0.png").read_bytes()[:1500])
    jobs = command("submit", "in", "-f", "flip", "--no-wait", "--json").documents
    (batch,) = {command("status", job["id"], "--json").documents[0]["batch"] for job in jobs}
    outcome = command("watch", "--batch", batch, "--json")
    assert outcome.code == 1
    last = {document["id"]: document["state"] for document in outcome.documents}
    assert sorted(last.values()) == ["done"] * 5 + ["failed"]


def test_watch_of_everything_tells_each_change_in_a_pipe(command: Command, done: str, picture: Picture) -> None:
    watching = command.start("watch", "--json")
    told = map(json.loads, watching.stdout or ())
    assert next(document["state"] for document in told if document["id"] == done) == "done"

    picture(command.folder / "late.png", seed=4200)
    late = command("submit", "late.png", "-f", "rotate", "--json").documents[0]["id"]
    assert any((document["id"], document["state"]) == (late, "done") for document in told)

    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=30)
    assert (watching.returncode, errors) == (130, b"")


def test_watch_of_nothing_known_fails(command: Command) -> None:
    assert command("watch", "0-unknown").code == 1
    assert command("watch", "0-a", "--batch", "b").code == 2


def test_filters_are_listed_with_their_parameters(command: Command) -> None:
    assert "    size=9  1..99" in command("filters", "blur").text
    documents = command("filters", "--json").documents
    assert {"blur", "sepia", "resize"} <= {document["name"] for document in documents}
    assert command("filters", "nonsense").code == 2


def test_presets_are_listed_without_a_service(lonely: Command) -> None:
    assert "noir" in [document["name"] for document in lonely("filters", "--presets", "--json").documents]
