"""Receivers of webhooks that never answer: each may keep one delivery waiting, and no others."""

import random
import time
from collections import OrderedDict
from typing import Final

import httpx

#: Receivers that are remembered; the oldest is forgotten first.
_MOST: Final = 1000


class Silence:
    """Who did not answer lately, by scheme, host and port; each is left alone for `pause` seconds.

    What is remembered is of this process alone.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        #: Until when each is left alone (of `time.monotonic`).
        self._until: OrderedDict[str, float] = OrderedDict()

    def left(self, url: str) -> float:
        """Seconds after which a delivery to this URL is to be tried, with jitter; 0: now.

        When the pause is over it is so for one delivery: until that one is answered, others wait for as long again.
        """
        receiver = _receiver(url)
        until = self._until.get(receiver)
        if until is None:
            return 0.0
        left = until - time.monotonic()
        if left > 0:
            return left + random.uniform(0, self._pause / 2)  # noqa: S311 - jitter, no secret
        self._until[receiver] = time.monotonic() + self._pause
        return 0.0

    def silent(self, url: str) -> None:
        """A delivery was not answered in time."""
        receiver = _receiver(url)
        self._until[receiver] = time.monotonic() + self._pause
        self._until.move_to_end(receiver)
        if len(self._until) > _MOST:
            self._until.popitem(last=False)

    def answered(self, url: str) -> None:
        """A delivery was answered, whatever with, or refused at once."""
        self._until.pop(_receiver(url), None)


def _receiver(url: str) -> str:
    """What of a URL stands for its receiver; all of one that cannot be read."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return url
    return f"{parts.scheme}://{parts.netloc.decode('ascii', 'replace')}"
