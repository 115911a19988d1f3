"""Brighten."""

import numpy as np
from pydantic import Field

from services.process.registry import Parameters, Table, tone


class Brighten(Parameters):
    """Adds light to every pixel, or takes it away."""

    amount: int = Field(40, ge=-255, le=255, description="Levels of 0 to 255 that are added; negative is darker.")


@tone(Brighten)
def brighten(parameters: Brighten) -> Table:
    """X + amount, saturated."""
    return np.clip(np.arange(256) + parameters.amount, 0, 255).astype(np.uint8)
