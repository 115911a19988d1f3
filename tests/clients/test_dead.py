"""`darkroom dead`: nonsense on the stream becomes a dead letter that an operator lists, replays and drops."""

import pytest
from redis import Redis

from shared import keys
from tests.clients.command import Command
from tests.support.stack import Stack
from tests.support.waiting import wait_until


@pytest.fixture
def letter(stack: Stack, command: Command) -> str:
    """The id of a dead letter made of nonsense."""
    with Redis.from_url(stack.redis_url) as redis:
        before = redis.xlen(keys.dead(0))
        redis.xadd(keys.uploaded(0), {"data": "nonsense"})
        wait_until(lambda: redis.xlen(keys.dead(0)) > before)
        entries = redis.xrevrange(keys.dead(0), count=1)
    return f"0-{entries[0][0].decode()}"


def test_a_dead_letter_is_listed(command: Command, letter: str) -> None:
    documents = {document["id"]: document for document in command("dead", "list", "--json").documents}
    assert documents[letter]["code"] == "invalid_event"
    assert letter in command("dead", "list").text


def test_a_dead_letter_is_dropped_once(command: Command, letter: str) -> None:
    outcome = command("dead", "drop", letter)
    assert (outcome.code, outcome.text) == (0, f"dropped    {letter}\n")
    assert command("dead", "drop", letter, "--json").documents == [{"id": letter, "outcome": "not_found"}]


def test_what_was_meant_must_be_named(command: Command) -> None:
    assert command("dead", "drop").code == 2
    assert command("dead", "replay", "--all", "0-1-0").code == 2


def test_all_can_be_dropped(command: Command, letter: str) -> None:
    outcome = command("dead", "drop", "--all", "--json")
    assert outcome.code == 0
    assert {"id": letter, "outcome": "dropped"} in outcome.documents
    assert command("dead", "list").text == "There are no dead letters.\n"
