"""The configuration document says what the code does."""

from infra.configuration import DOCUMENT, render


def test_every_setting_is_documented_with_its_default() -> None:
    assert render() == DOCUMENT.read_text("utf-8"), "run `python -m infra.configuration`"


def test_every_setting_has_a_line_of_meaning() -> None:
    rows = [line for line in render().splitlines() if line.startswith("| `DARKROOM_")]
    assert len(rows) > 20
    assert not [row for row in rows if row.endswith("| None |")]


def test_a_variable_means_the_same_in_every_service_that_reads_it() -> None:
    defaults: dict[str, set[str]] = {}
    for row in render().splitlines():
        if row.startswith("| `DARKROOM_"):
            _, name, default, _, _ = row.split("|")
            defaults.setdefault(name.strip(), set()).add(default.strip())
    assert not {name: values for name, values in defaults.items() if len(values) > 1}
