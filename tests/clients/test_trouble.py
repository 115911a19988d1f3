"""A service in trouble: 'come back later' is waited out, what is final is raised, lost events are asked for again."""

import time
from email.utils import formatdate

import pytest

from clients.api import AsyncClient, Client, Unreachable, WaitTimedOut, code_of
from shared.errors import DarkroomError, NotFound, Overloaded
from tests.clients.scripted import Answer, ScriptedServer, event_stream, ids, job, problem

FILTERS = Answer(body=b'{"filters":[]}')
ACCEPTED = Answer(202, b'{"batch":"b","jobs":[{"id":"0-1","state":"queued"}]}')


@pytest.mark.parametrize("code", [429, 503])
def test_come_back_later_is_waited_out_as_long_as_it_says(scripted: ScriptedServer, code: int) -> None:
    scripted.will_answer(problem(code, "overloaded", Retry_After="0.2"), FILTERS)
    with Client(scripted.url) as client:
        started = time.monotonic()
        assert client.filters() == []
    assert time.monotonic() - started >= 0.2


def test_a_date_to_come_back_at_is_understood(scripted: ScriptedServer) -> None:
    scripted.will_answer(problem(503, "overloaded", Retry_After=formatdate(time.time() - 5, usegmt=True)), FILTERS)
    with Client(scripted.url) as client:
        assert client.filters() == []


def test_a_call_that_tries_once_still_comes_back_when_it_is_asked_to(scripted: ScriptedServer) -> None:
    scripted.will_answer(problem(503, "storage_unavailable", Retry_After="0"), FILTERS)
    with Client(scripted.url, retry_for=0) as client:
        assert client.filters() == []


def test_patience_ends(scripted: ScriptedServer) -> None:
    scripted.will_answer(problem(503, "overloaded", Retry_After="30"))
    with Client(scripted.url, retry_for=1) as client, pytest.raises(Overloaded, match=r"It is so\."):
        client.filters()
    assert len(scripted.received) == 1


def test_an_upload_without_a_key_is_not_sent_again_after_a_lost_answer(scripted: ScriptedServer) -> None:
    scripted.will_answer(Answer(202, b"", breaks=True), ACCEPTED)
    with Client(scripted.url) as client, pytest.raises(Unreachable):
        client.submit([b"image"])
    assert len(scripted.received) == 1


def test_an_upload_with_a_key_is_sent_again_whole(scripted: ScriptedServer) -> None:
    scripted.will_answer(Answer(202, b"", breaks=True), problem(504, "gateway"), ACCEPTED)
    with Client(scripted.url) as client:
        assert client.submit([b"image"], idempotency_key="k").batch == "b"
    assert [one.headers["Idempotency-Key"] for one in scripted.received] == ["k"] * 3
    assert len({one.body for one in scripted.received}) == 1


def test_a_code_of_a_newer_service_is_told_too(scripted: ScriptedServer) -> None:
    scripted.will_answer(problem(418, "teapot"))
    with Client(scripted.url) as client, pytest.raises(DarkroomError) as raised:
        client.job("0-1")
    assert (code_of(raised.value), raised.value.details["status"]) == ("teapot", 418)


def test_an_answer_that_is_no_problem_document_is_still_an_error(scripted: ScriptedServer) -> None:
    scripted.will_answer(Answer(500, b"<html>oops"))
    with Client(scripted.url) as client, pytest.raises(DarkroomError, match="500 Internal Server Error"):
        client.job("0-1")


def test_a_broken_stream_of_events_is_resumed_and_nothing_is_told_twice(scripted: ScriptedServer) -> None:
    scripted.will_answer(
        event_stream((1, "", job("a", "queued")), (2, "", job("b", "queued")), breaks=True),
        problem(503, "storage_unavailable"),
        event_stream(
            (2, "", job("b", "queued")), (3, "", job("a", "done")), (4, "", job("b", "done")), (4, "end", b"{}")
        ),
    )
    with Client(scripted.url) as client:
        told = ids(list(client.events(batch="x")))
    assert told == [("a", "queued"), ("b", "queued"), ("a", "done"), ("b", "done")]
    assert [one.headers.get("Last-Event-ID") for one in scripted.received] == [None, "2", "2"]


async def test_the_asynchronous_client_resumes_just_the_same(scripted: ScriptedServer) -> None:
    scripted.will_answer(
        event_stream((1, "", job("a", "queued")), breaks=True),
        event_stream((1, "", job("a", "queued")), (2, "", job("a", "done")), (2, "end", b"{}")),
    )
    async with AsyncClient(scripted.url) as client:
        assert ids([one async for one in client.events(job="a")]) == [("a", "queued"), ("a", "done")]


def test_events_of_a_job_that_is_not_known_are_an_error(scripted: ScriptedServer) -> None:
    scripted.will_answer(problem(404, "not_found"))
    with Client(scripted.url) as client, pytest.raises(NotFound):
        client.wait("0-1")


def test_waiting_ends_when_its_time_is_over(scripted: ScriptedServer) -> None:
    scripted.will_answer(event_stream((1, "", job("a", "queued"))))
    with Client(scripted.url) as client, pytest.raises(WaitTimedOut):
        client.wait("a", within=0.5)


def test_a_service_that_stays_away_is_given_up(unused_port: int) -> None:
    with Client(f"http://127.0.0.1:{unused_port}", retry_for=0.3) as client:
        with pytest.raises(Unreachable, match="nothing listens there"):
            client.filters()
        with pytest.raises(Unreachable):
            client.wait("0-1")


def _job(state: str) -> Answer:
    return Answer(body=job("0-1", state))


LOST = Answer(200, b"{}", breaks=True)


@pytest.mark.parametrize("lost", [LOST, problem(502, "gateway"), problem(503, "overloaded", Retry_After="0")])
@pytest.mark.parametrize("after", [_job("cancelled"), _job("done"), problem(410, "expired")])
def test_a_cancel_whose_answer_was_lost_never_becomes_a_delete(
    scripted: ScriptedServer, lost: Answer, after: Answer
) -> None:
    scripted.will_answer(_job("processing"), lost, after)
    with Client(scripted.url) as client:
        client.delete("0-1")
    assert [one.method for one in scripted.received] == ["GET", "DELETE", "GET"]


@pytest.mark.parametrize("state", ["processing", "done"])
def test_a_delete_that_changed_nothing_is_sent_again(scripted: ScriptedServer, state: str) -> None:
    scripted.will_answer(_job(state), LOST, _job(state), Answer(200))
    with Client(scripted.url) as client:
        client.delete("0-1")
    assert [one.method for one in scripted.received] == ["GET", "DELETE"] * 2


def test_what_is_deleted_already_is_not_deleted_again(scripted: ScriptedServer) -> None:
    scripted.will_answer(problem(410, "expired"))
    with Client(scripted.url) as client:
        client.delete("0-1")
    assert [one.method for one in scripted.received] == ["GET"]


def test_deleting_is_given_up_when_time_is_over(scripted: ScriptedServer) -> None:
    scripted.will_answer(_job("done"), LOST)
    with Client(scripted.url, retry_for=0) as client, pytest.raises(Unreachable):
        client.delete("0-1")
    scripted.will_answer(_job("done"), problem(503, "overloaded", Retry_After="60"))
    with Client(scripted.url) as client, pytest.raises(Overloaded):
        client.delete("0-1")
