"""What versions of the services before and after this one leave in Redis, and how a process is made one of the next."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.chaos.fleet import Member
from tests.events.test_samples import SAMPLES

#: Events of version 1 with members that this version does not know yet, at every level.
FROM_NEWER_PUBLISHERS: Final = (
    {"source": "inbox/newer", "filters": [{"name": "sepia"}], "exposure": {"ev": 1.5}, "tags": ["a"]},
    {"source": "inbox/newer", "output": {"format": "png", "dither": True}, "deadline": 1700000000000},
)
PROGRESS: Final[dict[str, Any]] = {
    "type": "processed",
    "at": 1700000000141,
    "upload": {"source": "inbox/newer", "exposure": {"ev": 1.5}},
    "result": {
        "key": f"results/2026-11-24/local/{'a' * 64}",
        "media_type": "image/png",
        "bytes": 9,
        "width": 3,
        "height": 3,
        "colour_space": "display-p3",
    },
    "energy": {"joules": 2},
}
#: What makes a worker one of the next version: a filter more, and another engine.
NEXT_PROCESS: Final = """
import services.process.filters
from services.process import engine

services.process.filters.__path__.append({folder!r})
engine.ENGINE_VERSION = "next"
"""
WARM: Final = '''
"""A filter of the next version."""

from services.process.filters.brighten import Brighten, brighten
from services.process.registry import tone


class Warm(Brighten):
    """Like brighten."""


@tone(Warm)
def warm(parameters: Warm):
    return brighten(parameters)
'''
#: The next version of ingest: its events say more, at two levels.
NEXT_INGEST: Final = """
import msgspec
from shared import events, submission

def encode(event):
    told = msgspec.json.decode(events.encode(event))
    told |= {"exposure": {"ev": 1.5}}
    told["output"] = {**(told.get("output") or {}), "dither": True}
    return msgspec.json.encode(told)

submission.encode = encode
"""
#: The next version of results: the records that it writes have a field more, and so have its webhooks.
NEXT_RESULTS: Final = """
from shared import scripts

def source(name, read=scripts.source):
    text = read(name)
    if name == "project":
        text = text.replace("'traceparent', e.traceparent)", "'traceparent', e.traceparent, 'palette', 'warm')")
        record = "redis.call('HSET', e.key, unpack(fields))"
        assert record in text
        text = text.replace(record, f"add(fields, 'palette', 'warm') {record}")
    return text

scripts.source = source
"""


def of_version_1(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and contents of each committed sample of a kind."""
    for sample in sorted(SAMPLES.glob(f"{kind}-*.json")):
        yield sample.stem, json.loads(sample.read_bytes())


def next_version(member: Member, folder: Path, code: str, **environment: str) -> Member:
    """A process like `member` in which `code` runs at each start of Python, those of its children included."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    changed = {**member.environment, **environment, "PYTHONPATH": str(folder)}
    return Member(f"{member.name}-next", member.kind, member.command, changed, folder / "next.log")
