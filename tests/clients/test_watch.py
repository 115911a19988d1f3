"""Watching for long: what is kept does not grow, what is told stays right."""

import time
from collections import Counter

import pytest
from rich.console import Console

from clients.models import Failure, Job
from clients.status import table
from clients.watch import Seen
from shared.chain import parse_chain
from tests.clients.command import Command, plain


def test_what_is_kept_does_not_grow_with_what_was_seen() -> None:
    seen = Seen(most=10)
    for number in range(500):
        seen.take(Job(id=f"0-{number:03}", state="processing"))
        seen.take(Job(id=f"0-{number:03}", state="failed" if number == 3 else "done"))
    assert [job.id for job in seen.jobs] == [f"0-{number}" for number in range(490, 500)]
    assert seen.states == Counter(done=499, failed=1)


def test_those_under_way_are_kept_longer_than_those_that_ended() -> None:
    seen = Seen(most=3)
    seen.take(Job(id="0-slow", state="processing"))
    for number in range(20):
        seen.take(Job(id=f"0-{number}", state="done"))
    assert "0-slow" in [job.id for job in seen.jobs]
    seen.take(Job(id="0-slow", state="done"))
    assert seen.states == Counter(done=21)


def test_a_job_that_runs_again_counts_as_it_ended_last() -> None:
    seen = Seen()
    for run, state in ((1, "failed"), (2, "queued"), (2, "done")):
        seen.take(Job(id="0-a", run=run, state=state))
    assert seen.states == Counter(done=1)


@pytest.mark.parametrize("width", [80, 100, 120, 140, 400])
def test_no_id_and_no_state_is_cut_for_the_sake_of_anything_long(width: int) -> None:
    ids = [f"0-01a20e88-4d7c-738b-851b-{number:012}" for number in range(2)]
    console = Console(width=width, record=True)
    error = Failure(code="invalid_event", message="It is not an event. " * 20)
    chain = parse_chain("saturation:amount=0.6,sepia:intensity=0.35,brighten:amount=12,blur:size=3")
    jobs = [
        Job(id=ids[0], state="failed", name="cat.png", error=error),
        Job(id=ids[1], state="processing", name="a-holiday-in-the-mountains.jpg", filters=chain, batch=ids[0]),
    ]
    console.print(table(jobs, width=width, batches=True))
    shown = console.export_text()
    assert all(job_id in shown for job_id in ids)
    assert "failed" in shown
    assert "processing" in shown
    assert "invalid_event" in shown


@pytest.mark.parametrize("arguments", [(), ("0-a",), ("--batch", "b")])
def test_where_no_service_runs_that_is_said_before_a_table_is_shown(
    lonely: Command, arguments: tuple[str, ...]
) -> None:
    started = time.monotonic()
    shown = plain(lonely.in_terminal("watch", *arguments).shown)
    # Far less than a service that went away meanwhile is waited for.
    assert time.monotonic() - started < 20
    assert "does not answer" in shown
    assert "JOB" not in shown
