"""What the storm is sent: good images, wrong ones, and nonsense, each with the outcome that it must come to."""

import random
from dataclasses import dataclass, replace
from typing import Final

import cv2
import msgspec
import numpy as np

from shared.events import FilterSpec

CHAINS: Final[list[list[FilterSpec]]] = [
    [{"name": "sepia"}],
    [{"name": "grayscale"}],
    [{"name": "blur", "size": 9}],
    [{"name": "edge"}],
    [{"name": "resize", "width": 24}, {"name": "sharpen"}],
    [{"name": "negative"}, {"name": "emboss"}],
]
#: How many images come again and again; identical requests must get identical bytes.
_REPEATED: Final = 8
#: Side of a large image in pixels: some tenths of a second of work.
_LARGE: Final = 3000
#: Jobs of one batch, at least and at most.
_BATCH: Final = (2, 4)


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to send. `expected` is `done`, or the code that the job must fail with."""

    image: bytes
    filters: list[FilterSpec]
    expected: str
    #: What names identical requests; empty where nothing is stored.
    twin: str = ""
    #: The field `data` of an entry that is no event, none for an event.
    nonsense: bytes | None = None
    #: Whether `source` names something that is not there.
    missing: bool = False
    #: What its sender does later: nothing, `cancel`, `cancel and retry`, `retry`, or `replay` (of the dead letter).
    afterthought: str = ""
    #: Whether it takes long enough to be met in work.
    long: bool = False


class Orders:
    """A source of orders, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._images = [_png(seed + number, 64) for number in range(_REPEATED)]
        self._large = _jpeg(seed, _LARGE)

    def by_http(self) -> Order:
        """An order that ingest takes: a wrong image would be refused there. Some are cancelled later."""
        order = self._good()
        chance = self._random.random()
        if chance < (0.7 if order.long else 0.12):
            return replace(order, afterthought="cancel and retry" if chance < 0.05 else "cancel")
        return order

    def of_a_batch(self) -> list[Order]:
        """Orders that ingest takes, for one batch."""
        return [self.by_http() for _ in range(self._random.randint(*_BATCH))]

    def by_stream(self) -> Order:
        """An order for a plain XADD, now and then a wrong one, of which some are tried again in vain."""
        order = self._any()
        if order.expected == "done" or self._random.random() < 0.6:
            return order
        return replace(order, afterthought="retry" if order.nonsense is None else "replay")

    def _any(self) -> Order:
        chance = self._random.random()
        chain = self._random.choice(CHAINS)
        if chance < 0.06:
            return Order(b"", [], "invalid_event", nonsense=self._random.choice([b"{", b"\xff\xfe", b'{"source":7}']))
        if chance < 0.10:
            return Order(_png(1, 64)[:150], chain, "corrupt_image")
        if chance < 0.13:
            return Order(b"not an image at all", chain, "unsupported_media")
        if chance < 0.16:
            return Order(_png(2, 16), [{"name": "no-such-filter"}], "unknown_filter")
        if chance < 0.18:
            return Order(b"", chain, "source_not_found", missing=True)
        return self._good()

    def _good(self) -> Order:
        chance = self._random.random()
        chain = self._random.choice(CHAINS)
        number = self._random.randrange(_REPEATED)
        if chance < 0.06:
            # One of many chains, or soon all its results would be known.
            chain = [*chain, {"name": "brighten", "amount": self._random.randint(-50, 50)}]
            return Order(self._large, chain, "done", f"large {msgspec.json.encode(chain)!r}", long=True)
        if chance < 0.6:
            return Order(_png(self._random.randrange(2**31), 48), chain, "done")
        return Order(self._images[number], chain, "done", f"{number} {msgspec.json.encode(chain)!r}")


def _png(seed: int, side: int) -> bytes:
    return _encoded(".png", seed, side)


def _jpeg(seed: int, side: int) -> bytes:
    return _encoded(".jpg", seed, side)


def _encoded(suffix: str, seed: int, side: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    _, data = cv2.imencode(suffix, cv2.resize(pixels, (side, side), interpolation=cv2.INTER_LINEAR))
    return data.tobytes()
