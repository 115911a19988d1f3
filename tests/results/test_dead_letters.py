import httpx
import msgspec
import pytest
from pydantic import TypeAdapter

from services.process.obituary import of_unreadable
from services.results import dead_letters as routes
from services.results import webhook
from services.results.letters import Letters
from services.results.models import DeadLetterPage, WholeDeadLetter
from services.results.reader import Reader
from services.results.replay import Replayer
from services.results.settings import ResultsSettings
from shared import dead_letters, keys
from shared.entries import Entry, Source
from shared.errors import InvalidEvent
from shared.events import ImageUploaded, encode
from shared.records import JobRecord
from tests.results.story import SOURCE, Story, failed

UPLOADS = Source(keys.uploaded(0), keys.PROCESS_GROUP, 0)


async def bury(
    story: Story, job_id: str = "", fields: dict[bytes, bytes] | None = None, source: Source = UPLOADS, **about: str
) -> str:
    """Write a dead letter as a stage does; returns its id."""
    entry = Entry("1700000000000-0", fields or {b"data": b"nonsense"}, attempts=5)
    document = dead_letters.write(
        source, entry, code="gave_up", message="used up its attempts", worker="w", job_id=job_id, **about
    )
    kept = {b"entry." + name: value for name, value in entry.fields.items()}
    written = await story.redis.xadd(keys.dead(0), {b"data": document, **kept})
    return f"0-{written.decode()}"


async def given_up(story: Story) -> tuple[str, str]:
    """A job that ended as a dead letter: its id and the letter's."""
    (job_id,) = await story.submit("cat.jpg")
    event = await story.upload_of(job_id)
    await story.redis.delete(UPLOADS.stream)
    await story.project(failed(event, code="gave_up", attempt=5))
    parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    return job_id, await bury(story, job_id, {b"data": encode(event), b"traceparent": parent})


async def published(story: Story, stream: str = UPLOADS.stream) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in await story.redis.xrange(stream)]


async def test_a_dead_letter_is_listed_and_inspected(story: Story, http: httpx.AsyncClient) -> None:
    job_id, letter_id = await given_up(story)
    page = (await http.get("/v1/dead-letters")).json()
    TypeAdapter(DeadLetterPage).validate_python(page)
    (letter,) = page["dead_letters"]
    assert (letter["id"], letter["job_id"], letter["code"], letter["attempts"]) == (letter_id, job_id, "gave_up", 5)
    whole = (await http.get(f"/v1/dead-letters/{letter_id}")).json()
    TypeAdapter(WholeDeadLetter).validate_python(whole)
    assert job_id in whole["fields"]["data"]


async def test_a_replay_runs_the_same_job_again_as_its_next_run(story: Story, http: httpx.AsyncClient) -> None:
    job_id, letter_id = await given_up(story)
    answer = await http.post(f"/v1/dead-letters/{letter_id}/replay")
    assert (answer.status_code, answer.json()) == (202, {"id": letter_id, "job_id": job_id})
    job = await story.job(job_id)
    assert (job.state, job.run, job.progress, job.finished, job.attempts) == ("queued", 2, None, 0, 0)
    (entry,) = await published(story)
    event = msgspec.json.decode(entry[b"data"], type=ImageUploaded)
    assert (event.job_id, event.run) == (job_id, 2)
    assert await story.redis.xlen(keys.dead(0)) == 0
    assert await story.redis.hget(keys.batch(0, "0-batch"), "terminal") == b"0"
    assert await story.redis.ttl(keys.job(0, job_id)) > keys.LIVE_TTL - 60
    await story.finish(job_id)
    assert (await story.job(job_id)).state == "done"
    assert await story.redis.hget(keys.batch(0, "0-batch"), "terminal") == b"1"


async def test_a_replay_happens_once(story: Story, http: httpx.AsyncClient) -> None:
    _, letter_id = await given_up(story)
    await http.post(f"/v1/dead-letters/{letter_id}/replay")
    assert (await http.post(f"/v1/dead-letters/{letter_id}/replay")).status_code == 404
    assert len(await published(story)) == 1


async def test_the_letter_of_a_job_that_was_retried_and_is_done_starts_nothing(
    story: Story, http: httpx.AsyncClient
) -> None:
    job_id, letter_id = await given_up(story)
    await http.post(f"/v1/jobs/{job_id}/retry")
    for state in ("queued", "done"):
        answer = await http.post(f"/v1/dead-letters/{letter_id}/replay")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_failed")
        job = await story.job(job_id)
        assert (job.state, job.run) == (state, 2)
        await story.finish(job_id)
    assert (await http.post("/v1/dead-letters/replay")).json() == {"replayed": [], "remaining": 1, "next": None}
    assert len(await published(story)) == 1


async def test_a_letter_is_replayed_before_the_projection_knows_of_its_failure(
    story: Story, http: httpx.AsyncClient
) -> None:
    (job_id,) = await story.submit("cat.jpg")
    first = await story.upload_of(job_id)
    letter_id = await bury(story, job_id, {b"data": encode(first)})
    assert (await http.post(f"/v1/dead-letters/{letter_id}/replay")).status_code == 202
    await story.project(failed(first, code="gave_up"))
    job = await story.job(job_id)
    assert (job.state, job.run) == ("queued", 2)


class EarlierReader(Reader):
    """Reads a job as it was before whatever happened since, the first time."""

    def __init__(self, story: Story, earlier: JobRecord) -> None:
        super().__init__(story.redis, partitions=1)
        self._earlier = [earlier]

    async def job(self, owner: str, job_id: str) -> JobRecord:
        return self._earlier.pop() if self._earlier else await super().job(owner, job_id)


@pytest.mark.parametrize("ending", ["live", "failed", "done"])
async def test_two_retries_at_a_time_start_one_run_whatever_becomes_of_it(
    story: Story, http: httpx.AsyncClient, ending: str
) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.redis.delete(UPLOADS.stream)
    await story.fail(job_id)
    twin = Replayer(EarlierReader(story, await story.job(job_id)))
    await http.post(f"/v1/jobs/{job_id}/retry")
    if ending != "live":
        await (story.fail(job_id) if ending == "failed" else story.finish(job_id))
    before = await story.job(job_id)
    await twin.retry("local", job_id)
    assert await story.job(job_id) == before
    assert before.run == 2
    assert len(await published(story)) == 1


async def test_two_replays_at_a_time_start_one_run_even_if_it_is_done_by_then(
    story: Story, http: httpx.AsyncClient
) -> None:
    job_id, letter_id = await given_up(story)
    dead = await Letters(story.redis, partitions=1).get("local", letter_id)
    twin = Replayer(EarlierReader(story, await story.job(job_id)))
    await http.post(f"/v1/dead-letters/{letter_id}/replay")
    await story.finish(job_id)
    assert await twin.put_back(dead) == job_id
    job = await story.job(job_id)
    assert (job.state, job.run) == ("done", 2)
    assert len(await published(story)) == 1
    assert await story.redis.hget(keys.batch(0, "0-batch"), "terminal") == b"1"


async def test_a_job_whose_record_is_over_is_recorded_again_by_its_replay(
    story: Story, http: httpx.AsyncClient
) -> None:
    job_id, letter_id = await given_up(story)
    await story.redis.delete(keys.job(0, job_id), keys.batch(0, "0-batch"), keys.batch_jobs(0, "0-batch"))
    assert (await http.post(f"/v1/dead-letters/{letter_id}/replay")).status_code == 202
    job = await story.job(job_id)
    assert (job.state, job.run, job.owner, job.batch) == ("queued", 2, "local", "0-batch")
    assert await story.redis.hget(keys.batch(0, "0-batch"), "total") == b"1"


async def test_the_letter_of_a_deleted_job_cannot_be_replayed(story: Story, http: httpx.AsyncClient) -> None:
    job_id, letter_id = await given_up(story)
    await http.delete(f"/v1/jobs/{job_id}")
    answer = await http.post(f"/v1/dead-letters/{letter_id}/replay")
    assert (answer.status_code, answer.json()["code"]) == (410, "expired")
    assert await published(story) == []


async def test_an_event_that_nobody_can_read_goes_back_as_it_came(story: Story, http: httpx.AsyncClient) -> None:
    letter_id = await bury(story, fields={b"data": b"\xff{", b"more": b"\x00"})
    answer = await http.post(f"/v1/dead-letters/{letter_id}/replay")
    ((entry_id, fields),) = await story.redis.xrange(UPLOADS.stream)
    assert answer.json() == {"id": letter_id, "job_id": f"0-{entry_id.decode()}"}, "it can say no other"
    assert fields == {b"data": b"\xff{", b"more": b"\x00"}


async def test_an_unreadable_upload_goes_back_as_the_next_run_of_its_job(story: Story, http: httpx.AsyncClient) -> None:
    data = b'{"source":"inbox/cat.jpg","filters":"sepia","more":1.50}'
    job_id = "0-1700000000000-0"
    for run in (1, 2):
        entry = Entry("1700000000000-0", {b"data": data})
        await story.redis.delete(UPLOADS.stream)
        refused = await of_unreadable(UPLOADS, entry, InvalidEvent("No."), "w", story.redis.hmget)
        await story.project(refused.event)
        assert ((await story.job(job_id)).state, (await story.job(job_id)).run) == ("failed", run)
        letter = await story.redis.xadd(keys.dead(0), {"data": refused.document, "entry.data": data})
        answer = await http.post(f"/v1/dead-letters/0-{letter.decode()}/replay")
        assert (answer.status_code, answer.json()["job_id"]) == (202, job_id)
        assert (await http.get(f"/v1/jobs/{job_id}")).json()["state"] == "queued"
        ((_, fields),) = await story.redis.xrange(UPLOADS.stream)
        data = fields[b"data"]
        assert b'"filters":"sepia","more":1.50' in data
        assert msgspec.json.decode(data).items() >= {"job_id": job_id, "run": run + 1, "owner": "local"}.items()
        assert (await http.get("/v1/jobs")).json()["jobs"][1:] == [], "there is no other job"


@pytest.mark.parametrize("state", ["processing", "done"])
async def test_an_unreadable_letter_disturbs_no_job_that_runs_or_is_done(
    story: Story, http: httpx.AsyncClient, state: str
) -> None:
    """It may be the second event of its job."""
    (job_id,) = await story.submit("cat.jpg")
    await (story.start(job_id) if state == "processing" else story.finish(job_id))
    data = msgspec.json.encode({"source": 7, "job_id": job_id})
    letter_id = await bury(story, job_id, {b"data": data}, owner="local")
    assert (await http.post(f"/v1/dead-letters/{letter_id}/replay")).json()["code"] == "not_failed"
    assert ((await story.job(job_id)).state, (await story.job(job_id)).run) == (state, 1)


async def test_a_progress_event_goes_back_to_the_progress_stream(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    data = encode(failed(await story.upload_of(job_id)))
    letter_id = await bury(story, job_id, {b"data": data}, source=SOURCE)
    await http.post(f"/v1/dead-letters/{letter_id}/replay")
    await story.projection.handle(SOURCE, await story.read())
    assert (await story.job(job_id)).state == "failed"


async def test_a_letter_of_a_stream_that_is_none_of_ours_can_only_be_dropped(
    story: Story, http: httpx.AsyncClient
) -> None:
    letter_id = await bury(story, source=Source("somewhere:{0}", "x", 0))
    assert (await http.post(f"/v1/dead-letters/{letter_id}/replay")).status_code == 404
    assert (await http.delete(f"/v1/dead-letters/{letter_id}")).status_code == 204
    assert (await http.delete(f"/v1/dead-letters/{letter_id}")).status_code == 404


async def test_many_are_replayed_oldest_first_and_no_more_than_asked(story: Story, http: httpx.AsyncClient) -> None:
    ids = [await bury(story, fields={b"data": b"%d" % number}) for number in range(5)]
    answer = (await http.post("/v1/dead-letters/replay?limit=3")).json()
    assert [letter["id"] for letter in answer["replayed"]] == ids[:3]
    assert answer["remaining"] == 2
    assert [entry[b"data"] for entry in await published(story)] == [b"0", b"1", b"2"]


async def test_a_letter_that_cannot_be_replayed_does_not_stop_the_others(story: Story, http: httpx.AsyncClient) -> None:
    job_id, _ = await given_up(story)
    await http.delete(f"/v1/jobs/{job_id}")
    good = await bury(story)
    answer = (await http.post("/v1/dead-letters/replay")).json()
    assert [letter["id"] for letter in answer["replayed"]] == [good]
    assert answer["remaining"] == 1


async def test_letters_that_cannot_be_replayed_use_up_no_limit(story: Story, http: httpx.AsyncClient) -> None:
    for _ in range(2):
        job_id, _ = await given_up(story)
        await http.delete(f"/v1/jobs/{job_id}")
    good = [await bury(story, fields={b"data": b"%d" % number}) for number in range(3)]
    for expected in (good[:1], good[1:2], good[2:], []):
        answer = (await http.post("/v1/dead-letters/replay?limit=1")).json()
        assert [letter["id"] for letter in answer["replayed"]] == expected
    assert answer["remaining"] == 2


async def test_one_request_looks_at_so_many_letters_at_most_and_says_where_to_go_on(
    story: Story, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_MOST_LOOKED_AT", 3)
    for _ in range(4):
        job_id, _ = await given_up(story)
        await http.delete(f"/v1/jobs/{job_id}")
    good = await bury(story)
    first = (await http.post("/v1/dead-letters/replay")).json()
    assert first["replayed"] == []
    second = (await http.post("/v1/dead-letters/replay", params={"cursor": first["next"]})).json()
    assert [letter["id"] for letter in second["replayed"]] == [good]
    assert (second["remaining"], second["next"]) == (4, None)


async def test_many_are_replayed_no_faster_than_the_rate(
    story: Story, settings: ResultsSettings, http: httpx.AsyncClient
) -> None:
    """By the clock of the server, which gives the entries their ids."""
    for number in range(6):
        await bury(story, fields={b"data": b"%d" % number})
    answer = (await http.post("/v1/dead-letters/replay?limit=5")).json()
    assert len(answer["replayed"]) == 5
    entries = await story.redis.xrange(UPLOADS.stream)
    moments = [int(entry_id.split(b"-")[0]) for entry_id, _ in entries]
    assert moments[-1] - moments[0] >= 4 * 1000 / settings.replay_rate - 1


@pytest.mark.parametrize("cursor", ["nonsense", "MQ", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LTAtMA", "LTEtMS0w"])
async def test_a_cursor_that_nobody_gave_is_refused(http: httpx.AsyncClient, cursor: str) -> None:
    for answer in (
        await http.get("/v1/dead-letters", params={"cursor": cursor}),
        await http.post("/v1/dead-letters/replay", params={"cursor": cursor}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


async def test_a_webhook_that_was_given_up_can_be_put_back(story: Story, http: httpx.AsyncClient) -> None:
    hooks = Source(keys.hooks(0), keys.HOOKS_GROUP, 0)
    letter_id = await bury(story, fields={b"type": b"job.done"}, source=hooks)
    assert (await http.post(f"/v1/dead-letters/{letter_id}/replay")).json()["job_id"] is None
    assert await published(story, hooks.stream) == [{b"type": b"job.done"}], "of what cannot be read all is kept"


async def test_a_webhook_that_is_put_back_keeps_its_id(story: Story, http: httpx.AsyncClient) -> None:
    """A receiver that took it before knows it by that id."""
    hooks = Source(keys.hooks(0), keys.HOOKS_GROUP, 0)
    fields = {b"type": b"job.done", b"id": b"0-a", b"owner": b"local", b"run": b"1", b"url": b"http://x/"}
    before = webhook.read(hooks, Entry("1700000000000-0", fields))
    letter_id = await bury(story, fields=fields, source=hooks)
    assert (await http.post(f"/v1/dead-letters/{letter_id}/replay")).status_code == 202
    ((entry_id, again),) = await story.redis.xrange(hooks.stream)
    after = webhook.read(hooks, Entry(entry_id.decode(), again))
    assert msgspec.structs.replace(after, since=before.since) == before
    assert after.since >= int(entry_id.split(b"-")[0]) - 1000, "its day begins anew"


async def test_pages_hold_every_letter_once_newest_first(story: Story, http: httpx.AsyncClient) -> None:
    ids = [await bury(story) for _ in range(12)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await http.get("/v1/dead-letters", params={"limit": "5"} | cursor)).json()
        seen += [letter["id"] for letter in page["dead_letters"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == ids[::-1]


async def test_a_letter_of_another_owner_is_not_found(story: Story, http: httpx.AsyncClient) -> None:
    letter_id = await bury(story, "0-a", owner="ann")
    assert (await http.get("/v1/dead-letters")).json()["dead_letters"] == []
    assert (await http.get(f"/v1/dead-letters/{letter_id}")).status_code == 404
    assert (await http.delete(f"/v1/dead-letters/{letter_id}")).status_code == 404


@pytest.mark.parametrize("letter_id", ["0-1-1", "9-1-1", "nonsense", "0-1"])
async def test_an_unknown_letter_is_not_found(http: httpx.AsyncClient, letter_id: str) -> None:
    assert (await http.get(f"/v1/dead-letters/{letter_id}")).status_code == 404
    assert (await http.post(f"/v1/dead-letters/{letter_id}/replay")).status_code == 404


async def test_a_letter_that_was_written_by_hand_is_shown_and_can_be_dropped(
    story: Story, http: httpx.AsyncClient
) -> None:
    await story.redis.xadd(keys.dead(0), {"odd": "field"})
    (letter,) = (await http.get("/v1/dead-letters")).json()["dead_letters"]
    assert letter["code"] == "invalid_event"
    assert (await http.delete(f"/v1/dead-letters/{letter['id']}")).status_code == 204


async def test_a_failed_job_is_tried_again(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.redis.delete(UPLOADS.stream)
    await story.fail(job_id)
    answer = await http.post(f"/v1/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["state"], answer.json()["run"]) == (202, "queued", 2)
    assert len(await published(story)) == 1


async def test_a_cancelled_bulk_job_is_tried_again_on_the_bulk_stream(story: Story, http: httpx.AsyncClient) -> None:
    (job_id,) = await story.submit("cat.jpg")
    await story.redis.hset(keys.job(0, job_id), "bulk", "1")
    await http.delete(f"/v1/jobs/{job_id}")
    assert (await http.post(f"/v1/jobs/{job_id}/retry")).status_code == 202
    assert len(await published(story, keys.uploaded(0, bulk=True))) == 1


async def test_only_a_failed_or_cancelled_job_is_tried_again(story: Story, http: httpx.AsyncClient) -> None:
    queued, done = await story.submit("a.jpg", "b.jpg")
    await story.finish(done)
    for job_id in (queued, done):
        answer = await http.post(f"/v1/jobs/{job_id}/retry")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_failed")


async def test_a_full_server_refuses_to_run_a_job_again(story: Story, http: httpx.AsyncClient) -> None:
    job_id, letter_id = await given_up(story)
    await story.redis.config_set("maxmemory", 1)
    try:
        answer = await http.post(f"/v1/dead-letters/{letter_id}/replay")
    finally:
        await story.redis.config_set("maxmemory", 0)
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"]
    assert (await story.job(job_id)).state == "failed"
    assert await story.redis.xlen(keys.dead(0)) == 1
