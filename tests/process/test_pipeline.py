"""One image from a request to a report."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from services.process import pipeline
from services.process.limits import Limits
from services.process.pipeline import develop, result_key
from services.process.request import Request
from shared.blobs import BlobStore, digest_of, today
from shared.errors import StorageUnavailable
from shared.events import Output
from tests.process.pictures import encoded, scene

Ask = Callable[..., Request]


def test_a_picture_is_developed_and_stored_under_a_key_that_can_be_told_before(store: BlobStore, ask: Ask) -> None:
    data = encoded(".png", scene(40, 60))
    request = ask(data, {"name": "negative"}, {"name": "blur"})
    report = develop(request, store)
    assert report.error is None
    assert report.result is not None
    assert report.result.key == result_key(digest_of(data), request.filters, request.output, "local", today())
    made = cv2.imdecode(np.frombuffer(store.get(report.result.key), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(made, cv2.GaussianBlur(255 - scene(40, 60), (9, 9), 0))
    assert (report.result.media_type, report.result.width, report.result.height) == ("image/png", 60, 40)
    assert report.result.bytes == len(store.get(report.result.key))


def test_the_report_times_every_step_in_order(store: BlobStore, ask: Ask) -> None:
    steps = develop(ask(encoded(".jpg", scene(40, 60)), {"name": "sepia"}), store).steps
    assert [step.name for step in steps] == ["load", "guard", "recall", "decode", "filters", "encode", "store"]
    assert all(a.start_ns <= a.end_ns <= b.start_ns for a, b in pairwise(steps))


def test_the_report_of_a_filter_that_fails_tells_of_it_and_of_those_before(store: BlobStore, ask: Ask) -> None:
    report = develop(ask(encoded(".jpg", scene(40, 60)), {"name": "blur"}, {"name": "crop", "x": 60000}), store)
    assert report.error is not None
    assert [step.name for step in report.steps][-1] == "filters"
    blur, crop = report.filters
    assert (blur.name, crop.name) == ("blur", "crop")
    assert report.steps[-1].start_ns <= blur.start_ns < blur.end_ns <= crop.start_ns <= crop.end_ns


def test_the_report_tells_the_facts_of_the_source(store: BlobStore, ask: Ask) -> None:
    data = encoded(".jpg", scene(40, 60))
    source = develop(ask(data), store).source
    assert source is not None
    assert (source.media_type, source.width, source.height, source.bytes) == ("image/jpeg", 60, 40, len(data))
    assert source.sha256 == digest_of(data)


def test_the_same_work_is_answered_from_the_store(store: BlobStore, ask: Ask) -> None:
    data = encoded(".jpg", scene(40, 60))
    first = develop(ask(data, {"name": "blur"}), store)
    again = develop(ask(data, {"name": "blur", "size": 9}), store)
    assert (first.cached, again.cached) == (False, True)
    assert first.result == again.result
    assert "decode" not in [step.name for step in again.steps]


@pytest.mark.parametrize(
    "other",
    [
        {"filters": [{"name": "blur", "size": 5}]},
        {"output": Output(quality=50)},
        {"output": Output(format="png")},
        {"owner": "someone"},
        {"day": "2026-01-02"},
        {"source_digest": "b" * 64},
    ],
)
def test_other_work_has_another_key(other: dict[str, object]) -> None:
    work = {"source_digest": "a" * 64, "filters": [{"name": "blur"}], "output": Output(), "owner": "local"}
    work["day"] = "2026-01-01"
    assert result_key(**work) != result_key(**{**work, **other})  # type: ignore[arg-type]


def test_another_engine_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    work = ("a" * 64, [{"name": "blur"}], Output(), "local", "2026-01-01")
    before = result_key(*work)
    monkeypatch.setattr(pipeline, "ENGINE_VERSION", "another")
    assert result_key(*work) != before


def test_a_source_that_is_too_long_is_not_read(store: BlobStore, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    request = msgspec.structs.replace(ask(bytes(101)), limits=Limits(bytes=100))

    def read(*_: object, **__: object) -> None:
        raise AssertionError("its bytes were looked at")

    monkeypatch.setattr(pipeline, "digest_of", read)
    for name in ("open", "read_bytes"):
        monkeypatch.setattr(Path, name, read)
    report = develop(request, store)
    assert report.error is not None
    assert (report.error.code, report.retryable) == ("too_many_bytes", False)


@pytest.mark.parametrize(
    ("data", "filters", "output", "limits", "code"),
    [
        (b"hello", [], {}, Limits(), "unsupported_media"),
        (encoded(".png", scene(40, 60))[:200], [], {}, Limits(), "corrupt_image"),
        (encoded(".png", scene(40, 60)), [], {}, Limits(bytes=100), "too_many_bytes"),
        (encoded(".png", scene(40, 60)), [], {}, Limits(pixels=2399), "too_many_pixels"),
        (encoded(".png", scene(40, 60)), [{"name": "resize", "width": 61}], {}, Limits(pixels=2400), "too_many_pixels"),
        (encoded(".png", scene(40, 60)), [{"name": "blurr"}], {}, Limits(), "unknown_filter"),
        (encoded(".png", scene(40, 60)), [{"name": "blur", "size": 2}], {}, Limits(), "invalid_parameter"),
        (encoded(".png", scene(40, 60)), [{"name": "blur"}] * 3, {}, Limits(filters=2), "too_many_filters"),
        (encoded(".png", scene(40, 60)), [], {"format": "bmp"}, Limits(), "invalid_parameter"),
        (encoded(".png", scene(40, 60)), [], {"quality": 101}, Limits(), "invalid_parameter"),
        (encoded(".png", scene(1, 16384)), [], {"format": "webp"}, Limits(), "invalid_parameter"),
    ],
)
def test_what_is_wrong_has_a_code_and_is_not_tried_again(
    data: bytes,
    filters: list[dict[str, object]],
    output: dict[str, object],
    limits: Limits,
    code: str,
    store: BlobStore,
) -> None:
    store.put("inbox/picture", data)
    request = Request(
        job_id="0-a", source="inbox/picture", owner="local", filters=filters, output=Output(**output), limits=limits
    )
    report = develop(request, store)
    assert report.result is None
    assert report.error is not None
    assert (report.error.code, report.retryable) == (code, False)


def test_a_missing_source_is_not_found(store: BlobStore) -> None:
    report = develop(Request(job_id="0-a", source="inbox/nothing", owner="local"), store)
    assert report.error is not None
    assert report.error.code == "source_not_found"
    assert [step.name for step in report.steps] == ["load"]


def test_a_store_that_is_away_can_be_tried_again(store: BlobStore, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ask(encoded(".png", scene(40, 60)))

    def away(*_: object, **__: object) -> None:
        raise StorageUnavailable("The blob store did not answer.")

    monkeypatch.setattr(BlobStore, "put", away)
    report = develop(request, store)
    assert report.error is not None
    assert (report.error.code, report.retryable) == ("storage_unavailable", True)
