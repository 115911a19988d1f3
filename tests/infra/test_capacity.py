"""The capacity plan says what docs/performance.md measured, and orders what gives way by when it does."""

import re

import pytest

from infra import capacity


def test_making_the_plan_anew_changes_nothing() -> None:
    assert capacity.DOCUMENT.read_text("utf-8") == capacity.page(), "run .venv/bin/python -m infra.capacity"


def test_every_figure_that_was_measured_is_in_the_report_of_measurements() -> None:
    report = (capacity.DOCS / "performance.md").read_text("utf-8")
    for name, pattern in capacity.MEASURED.items():
        assert len(re.findall(pattern, report)) == 1, name


def test_a_figure_that_is_no_longer_reported_ends_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "MEASURED", {"pair": "images per fortnight: (.*)"})
    with pytest.raises(ValueError, match="does not say pair"):
        capacity.figures()


def test_what_gives_way_first_comes_first() -> None:
    rows = re.findall(r"^\| ([\d,]+) \| ", capacity.plan(), re.MULTILINE)
    at = [int(row.replace(",", "")) for row in rows]
    assert len(at) > 5
    assert at == sorted(at)
