"""Events as version 1 wrote them stay readable: the files beside this test are never changed, only added to."""

import json
from pathlib import Path
from typing import Any

import pytest

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
