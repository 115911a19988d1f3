"""Contrast."""

import numpy as np
from pydantic import Field

from services.process.registry import Parameters, Table, tone


class Contrast(Parameters):
    """Moves every level away from mid grey, or towards it."""

    percent: int = Field(
        130,
        ge=0,
        le=1000,
        title="Strength",
        description="Contrast in percent: 100 changes nothing, 0 is flat grey.",
        json_schema_extra={"unit": "%"},
    )


@tone(Contrast)
def contrast(parameters: Contrast) -> Table:
    """(x - 128) · percent / 100 + 128, rounded half up, saturated; in whole numbers, so exact."""
    levels = ((np.arange(256) - 128) * parameters.percent + 128 * 100 + 50) // 100
    return np.clip(levels, 0, 255).astype(np.uint8)
