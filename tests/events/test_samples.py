"""Events as version 1 wrote them stay readable: the files beside this test are never changed, only added to."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.results import webhook
from shared import keys, records
from shared.dead_letters import Letter
from shared.entries import Entry, Source
from shared.errors import InvalidEvent
from shared.events import ImageProgress, ImageUploaded, decode_progress, decode_uploaded, encode

SAMPLES = Path(__file__).parent / "v1"
UPLOADED = sorted(SAMPLES.glob("uploaded-*.json"))
PROGRESS = sorted(SAMPLES.glob("progress-*.json"))


def _name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("sample", UPLOADED, ids=_name)
def test_an_upload_event_of_version_1_is_read_with_all_that_it_says(sample: Path) -> None:
    read = decode_uploaded({b"data": sample.read_bytes()}, partition=0, entry_id="1700000000000-0")
    _assert_told(json.loads(encode(read)), json.loads(sample.read_bytes()), unknown={"shutter", "camera", "v"})


@pytest.mark.parametrize("sample", PROGRESS, ids=_name)
def test_a_progress_event_of_version_1_is_read_with_all_that_it_says(sample: Path) -> None:
    read = decode_progress({b"data": sample.read_bytes()}, partition=0)
    _assert_told(json.loads(encode(read)), json.loads(sample.read_bytes()), unknown=set())


def test_there_is_a_sample_of_every_kind_and_every_member() -> None:
    kinds = {json.loads(path.read_bytes())["type"] for path in PROGRESS}
    assert kinds == {"started", "processed", "failed"}
    for paths, model in ((UPLOADED, ImageUploaded), (PROGRESS, ImageProgress)):
        members = {name for path in paths for name in json.loads(path.read_bytes())}
        assert members >= set(model.__struct_fields__) - {"v", "run"}


def test_what_a_least_event_leaves_out_is_what_it_was_in_version_1() -> None:
    read = decode_uploaded({b"data": b'{"source": "inbox/cat.jpg"}'}, partition=0, entry_id="1700000000000-0")
    assert (read.v, read.run, read.owner, read.job_id) == (1, 1, "local", "0-1700000000000-0")
    assert (read.batch, read.filters, read.webhook, read.expected) == (None, [], None, None)


def test_an_event_of_a_version_to_come_is_refused_by_name() -> None:
    with pytest.raises(InvalidEvent, match="version 1 are read here, this one says 2"):
        decode_uploaded({b"data": b'{"source": "a", "v": 2}'}, partition=0, entry_id="1-0")
    told = {**json.loads((SAMPLES / "progress-started.json").read_bytes()), "v": 2}
    with pytest.raises(InvalidEvent, match="version 1 are read here, this one says 2"):
        decode_progress({b"data": json.dumps(told).encode()}, partition=0)


def _assert_told(read: dict[str, Any], sample: dict[str, Any], *, unknown: set[str]) -> None:
    for member, value in sample.items():
        if member in unknown:
            continue
        assert read[member] == value, member


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("letter-*.json")), ids=_name)
def test_a_dead_letter_of_version_1_is_read_with_all_that_it_says(sample: Path) -> None:
    letter = msgspec.json.decode(sample.read_bytes(), type=Letter)
    assert msgspec.to_builtins(letter) == json.loads(sample.read_bytes())


def test_webhooks_of_version_1_are_read_as_they_were_written_and_as_they_came_back() -> None:
    source = Source(keys.hooks(0), keys.HOOKS_GROUP, 0)
    told = json.loads((SAMPLES / "hook-written.json").read_bytes())
    fields = {name.encode(): value.encode() for name, value in told.items()}
    written = webhook.read(source, Entry("1764000000000-0", fields))
    assert (written.subject, written.owner, written.run, written.url) == (told["id"], "ann", 2, told["url"])
    assert (written.since, written.message_id) == (1764000000000, "msg_0-1764000000000-0")
    back = (SAMPLES / "hook-again.json").read_bytes()
    assert msgspec.to_builtins(webhook.read(source, Entry("1-0", {b"data": back}))) == json.loads(back)


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("job-*.json")), ids=_name)
def test_the_record_of_a_job_of_version_1_is_read_with_all_that_it_says(sample: Path) -> None:
    told = json.loads(sample.read_bytes())
    read = records.read("0-1", {name.encode(): value.encode() for name, value in told.items()})
    assert read is not None
    for name, value in told.items():
        if name == "event":
            event = json.loads(value)
            upload = event.get("upload", event)
            assert read.upload is not None
            assert read.upload.source == upload["source"]
            assert (read.progress is not None) == (told["state"] in ("done", "failed"))
        elif name == "bulk":
            assert read.bulk
        elif name == "code":
            assert read.progress is not None
            assert read.progress.error is not None
        else:
            assert str(getattr(read, name)) == value
    assert read.upload is not None or told["state"] == "deleted"
