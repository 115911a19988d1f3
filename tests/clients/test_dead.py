"""`darkroom dead`: nonsense on the stream becomes a dead letter that an operator lists, replays and drops."""

from tests.clients.command import Command
from tests.clients.scripted import Answer, ScriptedServer, problem


def test_a_dead_letter_is_listed(command: Command, letter: str) -> None:
    documents = {document["id"]: document for document in command("dead", "list", "--json").documents}
    assert documents[letter]["code"] == "invalid_event"
    assert letter in command("dead", "list").text


def test_a_dead_letter_is_shown_whole(command: Command, letter: str) -> None:
    (document,) = command("dead", "show", letter, "--json").documents
    assert (document["id"], document["code"], document["fields"]) == (letter, "invalid_event", {"data": "nonsense"})
    shown = dict(line.split(maxsplit=1) for line in command("dead", "show", letter).lines)
    assert (shown["id"], shown["code"], shown["entry.data"]) == (letter, "invalid_event", "nonsense")
    unknown = command("dead", "show", "0-1-0")
    assert (unknown.code, unknown.text) == (1, "")
    assert "no such dead letter" in unknown.errors


def test_what_a_stranger_wrote_does_not_steer_the_terminal(scripted: ScriptedServer, command: Command) -> None:
    scripted.will_answer(Answer(body=rb'{"id":"0-1-0","fields":{"data":"\u001b[2Jx","\u0007":"y"}}'))
    shown = command("dead", "show", "0-1-0", "--url", scripted.url)
    assert r"\x1b[2Jx" in shown.text
    assert not {"\x1b", "\x07"} & set(shown.text)


def test_a_letter_that_cannot_be_replayed_does_not_stop_the_others(scripted: ScriptedServer, command: Command) -> None:
    page = Answer(body=b'{"dead_letters":[{"id":"0-1-0"},{"id":"0-2-0"},{"id":"0-3-0"},{"id":"0-4-0"}]}')
    refusals = problem(410, "expired"), problem(404, "not_found"), problem(409, "not_failed")
    scripted.will_answer(page, *refusals, Answer(202))
    outcome = command("dead", "replay", "--all", "--json", "--url", scripted.url)
    assert [(letter["id"], letter["outcome"]) for letter in outcome.documents] == [
        ("0-1-0", "expired"),
        ("0-2-0", "not_found"),
        ("0-3-0", "not_failed"),
        ("0-4-0", "replayed"),
    ]
    assert outcome.code == 1


def test_many_are_replayed_no_faster_than_the_service_replays_many(scripted: ScriptedServer, command: Command) -> None:
    letters = b",".join(b'{"id":"0-%d-0"}' % number for number in range(11))
    scripted.will_answer(Answer(body=b'{"dead_letters":[%b]}' % letters), Answer(202))
    assert command("dead", "replay", "--all", "--url", scripted.url).code == 0
    moments = [request.at for request in scripted.received if request.method == "POST"]
    assert len(moments) == 11
    assert moments[-1] - moments[0] >= 10 / 50 - 0.05


def test_they_are_replayed_as_slowly_as_asked(scripted: ScriptedServer, command: Command) -> None:
    scripted.will_answer(Answer(202))
    assert command("dead", "replay", "0-1-0", "0-2-0", "0-3-0", "--rate", "10", "--url", scripted.url).code == 0
    first, _, last = [request.at for request in scripted.received]
    assert last - first >= 2 / 10 - 0.05
    assert command("dead", "replay", "0-1-0", "--rate", "0").code == 2


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
