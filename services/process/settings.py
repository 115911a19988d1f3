"""Settings of the process service."""

from pydantic import Field

from services.process.limits import Limits
from shared.chain import LONGEST
from shared.settings import Seconds, StageSettings


class ProcessSettings(StageSettings):
    """The pool of workers, and what one image may cost."""

    workers: int = Field(0, ge=0, le=1024, description="Pool processes that develop images; 0 is one per core.")
    bulk_share: int = Field(
        10, ge=2, le=1000, description="Of so many images one is a bulk one while both priorities wait for a worker."
    )
    time_limit: Seconds = Field(60.0, description="Seconds that developing one image may take.")
    memory_limit: int = Field(
        1024, ge=64, description="MiB of memory that one image may need above an idle worker (enforced on Linux)."
    )
    max_bytes: int = Field(64 * 1024 * 1024, ge=1, description="Bytes that one image file may have.")
    max_pixels: int = Field(100_000_000, ge=1, description="Pixels that one image may have, at any step of its chain.")
    max_frames: int = Field(1_000, ge=1, description="Frames that one animation may have.")
    max_filters: int = Field(LONGEST, ge=1, le=LONGEST, description="Filters that one chain may have.")
    recycle_growth: int = Field(
        512, ge=16, description="MiB that an idle worker may hold above its size at start before it is replaced."
    )

    @property
    def limits(self) -> Limits:
        return Limits(bytes=self.max_bytes, pixels=self.max_pixels, frames=self.max_frames, filters=self.max_filters)
