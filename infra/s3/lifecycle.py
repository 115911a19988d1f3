"""Writes `infra/s3/lifecycle.json`, the rules by which a bucket drops old blobs itself: `python -m infra.s3.lifecycle`.

    aws s3api put-bucket-lifecycle-configuration --bucket darkroom --lifecycle-configuration file://infra/s3/lifecycle.json

The janitor drops whole days too, and stays on: it is the sooner one for originals. A rule knows the age of an object,
and no dead letter, so originals stay as long as a dead letter that may be replayed. A key carries the day on which its
object was written and is reused within that day only, so age and day are one. Made from the settings.
"""

import math
from pathlib import Path
from typing import Any, Final

import msgspec

from services.results.janitor import GRACE
from services.results.settings import ResultsSettings
from shared import keys

FILE: Final = Path(__file__).with_name("lifecycle.json")
_DAY: Final = 86_400


def rules(settings: ResultsSettings) -> dict[str, Any]:
    """The lifecycle configuration of a bucket, in the form of S3's API."""
    results = _days(settings.retention) + GRACE.days
    # A job that waits for its turn is kept for a week, and its original must be there then.
    originals = max(results, _days(max(settings.dead_letter_retention, keys.LIVE_TTL)) + GRACE.days)
    kept = {"originals/": originals, "results/": results, "inbox/": originals}
    return {
        "Rules": [
            {
                "ID": f"darkroom-{prefix.strip('/')}",
                "Status": "Enabled",
                "Filter": {"Prefix": prefix},
                "Expiration": {"Days": days},
            }
            for prefix, days in kept.items()
        ]
    }


def _days(seconds: int) -> int:
    """Whole days that cover so many seconds."""
    return math.ceil(seconds / _DAY)


def render(settings: ResultsSettings) -> bytes:
    return msgspec.json.format(msgspec.json.encode(rules(settings)), indent=2) + b"\n"


if __name__ == "__main__":
    FILE.write_bytes(render(ResultsSettings()))
