"""Negative."""

import numpy as np

from services.process.registry import Parameters, Table, tone


class Negative(Parameters):
    """Light becomes dark and every colour its complement."""


@tone(Negative)
def negative(_: Negative) -> Table:
    """255 - x."""
    return np.arange(255, -1, -1, dtype=np.uint8)
