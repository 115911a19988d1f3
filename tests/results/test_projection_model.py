"""The projection against a model: any order, any duplicates, any redelivery, cancels between, same final state."""

import asyncio
from collections.abc import Iterator
from typing import ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from services.results.cancel import cancel_or_delete
from services.results.reader import Reader
from shared import keys
from shared.errors import NotFound
from shared.events import ImageProgress, ImageUploaded
from tests.results.story import SOURCE, Story, failed, processed, started, upload

JOBS = ("0-a", "0-b")
RANK = {"queued": 0, "processing": 1, "done": 2, "failed": 2, "cancelled": 2, "deleted": 3}
TARGET = {"started": "processing", "processed": "done", "failed": "failed"}
MAKE = {"started": started, "processed": processed, "failed": failed}

events = st.builds(
    lambda job, run, kind, attempt: MAKE[kind](upload(job, run=run, batch="holiday"), attempt=attempt),
    st.sampled_from(JOBS),
    st.integers(1, 3),
    st.sampled_from(sorted(TARGET)),
    st.integers(1, 3),
)


def apply(state: tuple[int, str] | None, event: ImageProgress) -> tuple[int, str]:
    """What the design says of one event: the state only rises in (run, rank), and a tombstone is final."""
    run, name = state or (event.run, "queued")
    target = TARGET[event.type]
    if name == "deleted" or (event.run, RANK[target]) <= (run, RANK[name]):
        return run, name
    return event.run, target


class Model(RuleBasedStateMachine):
    """Entries are published, read in batches, delivered and delivered again; jobs are cancelled and deleted."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.story = self.runner.run(Story.begin(self.url))
        self.runner.run(self.story.redis.flushall())
        self.runner.run(self.story.end())
        self.story = self.runner.run(Story.begin(self.url))
        self.reader = Reader(self.story.redis, partitions=1)
        self.read: list[tuple[ImageProgress, object]] = []
        self.unread: list[ImageProgress] = []
        self.acknowledged: set[str] = set()
        self.states: dict[str, tuple[int, str]] = {}

    @rule(published=st.lists(events, min_size=1, max_size=6))
    def publish(self, published: list[ImageProgress]) -> None:
        self.runner.run(self.story.publish(*published))
        self.unread += published

    @rule()
    def take(self) -> None:
        entries = self.runner.run(self.story.read())
        self.read += zip(self.unread, entries, strict=True)
        self.unread = []

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Some of what was read, in any order, some of it for the second time."""
        if not self.read:
            return
        batch = data.draw(st.lists(st.sampled_from(self.read), min_size=1, max_size=8))
        self.runner.run(self.story.projection.handle(SOURCE, [entry for _, entry in batch]))
        for event, entry in batch:
            if entry.id not in self.acknowledged:
                self.acknowledged.add(entry.id)
                self.states[event.job_id] = apply(self.states.get(event.job_id), event)

    @rule(job=st.sampled_from(JOBS))
    def delete(self, job: str) -> None:
        try:
            self.runner.run(cancel_or_delete(self.reader, "local", job, retention=3600))
        except NotFound:
            assert job not in self.states
            return
        run, name = self.states[job]
        self.states[job] = (run, "cancelled" if RANK[name] < 2 else "deleted")

    @invariant()
    def states_agree(self) -> None:
        for job, (run, name) in self.states.items():
            record = self.runner.run(self.story.job(job))
            assert (record.run, record.state) == (run, name)
            assert (record.finished > 0) == (RANK[name] >= 2)
            assert (record.progress is not None) == (name in {"done", "failed"})

    @invariant()
    def the_batch_counts_what_is_terminal(self) -> None:
        fields = self.runner.run(self.story.redis.hgetall(keys.batch(0, "holiday")))
        assert int(fields.get(b"total", 0)) == len(self.states)
        assert int(fields.get(b"terminal", 0)) == sum(RANK[name] >= 2 for _, name in self.states.values())

    @invariant()
    def versions_are_unique_and_never_beyond_the_counter(self) -> None:
        versions = [self.runner.run(self.story.job(job)).version for job in self.states]
        assert len(set(versions)) == len(versions)
        assert max(versions, default=0) <= self.runner.run(self.reader.version(0))

    def teardown(self) -> None:
        self.runner.run(self.story.end())
        self.runner.close()


def test_the_projection_agrees_with_its_model(redis_url: str) -> None:
    machine = type("Machine", (Model,), {"url": redis_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


#: Each run of a job ends once: the settling script of the process service sees to that.
lives = st.lists(st.sampled_from(["processed", "failed", None]), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(life=lives, data=st.data())
def test_any_order_and_any_duplicates_end_in_the_same_record(
    redis_url: str, runner: asyncio.Runner, life: list[str | None], data: st.DataObject
) -> None:
    published = []
    for number, end in enumerate(life, start=1):
        event = upload("0-a", run=number)
        published.append(started(event))
        if end:
            published.append(MAKE[end](event))
    shuffled = data.draw(st.permutations(published + data.draw(st.lists(st.sampled_from(published), max_size=4))))
    assert runner.run(_project_all(redis_url, shuffled)) == runner.run(_project_all(redis_url, published))


async def _project_all(url: str, published: list[ImageProgress]) -> dict[bytes, bytes]:
    story = await Story.begin(url)
    try:
        await story.redis.flushall()
        await story.end()
        story = await Story.begin(url)
        for event in published:
            await story.project(event)
        record = await story.redis.hgetall(keys.job(0, "0-a"))
    finally:
        await story.end()
    # When it happened, and in how many visible steps, is the order's own.
    times = {b"started": b"set", b"finished": b"set", b"created": b"set", b"version": b"set"}
    stable = {name: times.get(name, value) for name, value in record.items()}
    if b"event" in stable:
        ended = stable[b"state"] in (b"done", b"failed")
        event = msgspec.json.decode(stable[b"event"], type=ImageProgress if ended else ImageUploaded)
        stable[b"event"] = f"{type(event).__name__} {event.run}".encode()
    return stable
