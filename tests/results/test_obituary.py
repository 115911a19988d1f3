import msgspec

from services.results.obituary import progress_obituary, webhook_obituary
from shared import keys
from shared.dead_letters import Letter
from shared.entries import Entry, Source
from shared.events import encode
from tests.results.story import SOURCE, processed, upload

HOOKS = Source(keys.hooks(0), keys.HOOKS_GROUP, 0)


async def test_a_progress_event_that_was_given_up_names_its_job_and_publishes_nothing() -> None:
    event = processed(upload("0-a", owner="ann", run=3))
    dead = await progress_obituary(SOURCE, Entry("1-1", {b"data": encode(event)}, attempts=5), "worker")
    letter = msgspec.json.decode(dead.document, type=Letter)
    assert (letter.code, letter.job_id, letter.owner, letter.run, letter.attempts) == ("gave_up", "0-a", "ann", 3, 5)
    assert dead.event == b""


async def test_what_cannot_be_read_is_given_up_too() -> None:
    for source, obituary in ((SOURCE, progress_obituary), (HOOKS, webhook_obituary)):
        dead = await obituary(source, Entry("1-1", {b"odd": b"\xff"}, attempts=5), "worker")
        letter = msgspec.json.decode(dead.document, type=Letter)
        assert (letter.code, letter.job_id, letter.stream) == ("gave_up", "", source.stream)


async def test_a_webhook_that_was_given_up_is_its_owners() -> None:
    fields = {b"type": b"job.done", b"id": b"0-a", b"owner": b"ann", b"run": b"2", b"url": b"https://example.com/"}
    dead = await webhook_obituary(HOOKS, Entry("1-1", fields, attempts=5), "worker")
    letter = msgspec.json.decode(dead.document, type=Letter)
    assert (letter.job_id, letter.owner, letter.run) == ("", "ann", 2)
