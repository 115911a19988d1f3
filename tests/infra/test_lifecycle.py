"""The rules for a bucket drop nothing before the janitor would, nor what a dead letter may still need."""

from datetime import timedelta

import pytest

from infra.s3 import lifecycle
from services.results.janitor import GRACE
from services.results.settings import ResultsSettings
from shared import keys


def _kept(settings: ResultsSettings) -> dict[str, timedelta]:
    return {
        rule["Filter"]["Prefix"]: timedelta(days=rule["Expiration"]["Days"])
        for rule in lifecycle.rules(settings)["Rules"]
    }


def test_the_file_is_what_the_defaults_make() -> None:
    made = lifecycle.render(ResultsSettings(_env_file=None, blob_url="memory:///"))
    assert lifecycle.FILE.read_bytes() == made, "run .venv/bin/python -m infra.s3.lifecycle"


@pytest.mark.parametrize("retention", [60, 3600, 86_399, 86_400, 86_401, 40 * 86_400])
@pytest.mark.parametrize("letters", [60, 14 * 86_400])
def test_nothing_goes_before_its_time(retention: int, letters: int) -> None:
    settings = ResultsSettings(blob_url="memory:///", retention=retention, dead_letter_retention=letters)
    kept = _kept(settings)
    needed = timedelta(seconds=retention) + GRACE
    assert needed <= kept["results/"] < needed + timedelta(days=1)
    assert kept["originals/"] >= max(kept["results/"], timedelta(seconds=max(letters, keys.LIVE_TTL)))
    assert kept["inbox/"] == kept["originals/"]
