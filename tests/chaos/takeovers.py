"""How long the jobs of a silenced worker waited until another one started them, by the clock of the server."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from shared.events import ImageProgress

#: Leases without a sign of life of anybody but the silenced worker after which it counts as nobody's time: the server
#: or the network was away, or the machine had no time for us.
_PAUSE_LEASES: Final = 0.5


@dataclass(frozen=True, slots=True)
class Takeover:
    """Seconds from the moment a worker was silenced, and another one showed life, to the next start of its job.

    `steady` is the longest part of them after its lease in which others went on without a pause: only then was it
    theirs to take, whatever the machine and the storm did.
    """

    waited: float
    steady: float


def takeovers(events: Mapping[str, ImageProgress], silenced: Mapping[int, float], *, lease: float) -> list[Takeover]:
    """Every one among the progress events (by entry id); `silenced` says when (epoch s) which process was."""
    by_job: dict[str, list[tuple[float, ImageProgress]]] = defaultdict(list)
    for entry_id, event in sorted(events.items(), key=lambda item: tuple(map(int, item[0].split("-")))):
        by_job[event.job_id].append((int(entry_id.split("-")[0]) / 1000, event))
    signs = sorted((at, event.worker) for story in by_job.values() for at, event in story if event.worker)
    found: list[Takeover] = []
    for story in by_job.values():
        for (begun, before), (again, after) in pairwise(story):
            silent = silenced.get(_pid(before.worker))
            same_run = before.run == after.run and before.type == "started"
            if same_run and before.worker != after.worker and silent is not None and begun <= silent <= again:
                others = [at for at, worker in _between(signs, silent, again) if worker != before.worker]
                steady = _longest_steady([at for at in others if at >= silent + lease], _PAUSE_LEASES * lease)
                found.append(Takeover(again - others[0], steady))
    return found


def at_work(events: Mapping[str, ImageProgress], *, since: float, until: float) -> set[int]:
    """The processes that started a job between two moments (epoch s) and told of no end of it.

    One that was cancelled has none: what was started long ago tells nothing.
    """
    ended = {(event.job_id, event.run) for event in events.values() if event.type != "started"}
    return {
        _pid(event.worker)
        for entry_id, event in events.items()
        if (event.job_id, event.run) not in ended and since < int(entry_id.split("-")[0]) / 1000 < until
    }


def _between(signs: list[tuple[float, str]], first: float, last: float) -> list[tuple[float, str]]:
    return signs[bisect_left(signs, (first, "")) : bisect_right(signs, (last, "\uffff"))]


def _longest_steady(moments: list[float], pause: float) -> float:
    """Seconds of the longest stretch of some moments between which there never was such a pause."""
    longest = 0.0
    since = moments[0] if moments else 0.0
    for one, following in pairwise(moments):
        if following - one > pause:
            since = following
        longest = max(longest, following - since)
    return longest


def _pid(worker: str) -> int:
    """A consumer is named `<host>-<pid>-<random>`."""
    return int(worker.rsplit("-", 2)[1]) if worker.count("-") >= 2 else 0
