import msgspec

from services.results.obituary import progress_obituary, webhook_obituary
from shared import keys
from shared.dead_letters import Letter
from shared.entries import Entry, Source
from shared.events import encode
from tests.results.story import SOURCE, processed, upload

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
HOOKS = Source(keys.hooks(0), keys.HOOKS_GROUP, 0)


async def test_a_progress_event_that_was_given_up_names_its_job_and_publishes_nothing() -> None:
    event = processed(upload("0-a", owner="ann", run=3))
    dead = await progress_obituary(
        SOURCE, Entry("1-1", {b"data": encode(event), b"traceparent": PARENT.encode()}, attempts=5), "worker"
    )
    letter = msgspec.json.decode(dead.document, type=Letter)
    assert (letter.code, letter.job_id, letter.owner, letter.run, letter.attempts) == ("gave_up", "0-a", "ann", 3, 5)
    assert dead.event == b""
    assert dead.about == {"job_id": "0-a", "run": 3, "trace_id": TRACE, "span_id": SPAN}


async def test_what_cannot_be_read_is_given_up_too() -> None:
    for source, obituary in ((SOURCE, progress_obituary), (HOOKS, webhook_obituary)):
        dead = await obituary(source, Entry("1-1", {b"odd": b"\xff"}, attempts=5), "worker")
        letter = msgspec.json.decode(dead.document, type=Letter)
        assert (letter.code, letter.job_id, letter.stream) == ("gave_up", "", source.stream)


async def test_a_webhook_that_was_given_up_is_its_owners() -> None:
    fields = {b"type": b"job.done", b"id": b"0-a", b"owner": b"ann", b"run": b"2", b"url": b"https://example.com/"}
    fields |= {b"traceparent": PARENT.encode()}
    dead = await webhook_obituary(HOOKS, Entry("1-1", fields, attempts=5), "worker")
    letter = msgspec.json.decode(dead.document, type=Letter)
    assert (letter.job_id, letter.owner, letter.run) == ("", "ann", 2)
    told = {"job_id": "0-a", "webhook": "msg_0-1-1", "type": "job.done", "attempt": 1, "run": 2}
    assert dead.about == {**told, "trace_id": TRACE, "span_id": SPAN}
