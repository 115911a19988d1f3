"""The base of all settings: typed values from `DARKROOM_*` environment variables.

Each service has a subclass next to it. Every field has a default that is right for a newcomer, a unit and one line
of meaning in its description; `docs/configuration.md` is made from them.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]

#: A partition, or the first and the last of several.
_SHARE: Final = re.compile(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?")


class Settings(BaseSettings):
    """What every service needs to know."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", extra="ignore", frozen=True)

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey server, as a URL.")
    redis_cluster: bool = Field(
        default=False,
        description="Whether that server is a node of a Redis Cluster; every other node must be reachable, too.",
    )
    blob_url: str = Field(
        f"file://{Path('.darkroom/blobs').absolute()}",
        description="Blob store, as a URL: file://, s3://, gs://, az:// or memory://. Default: .darkroom/blobs here.",
    )
    store_check: bool = Field(
        default=True,
        description="Whether a service refuses to start with another blob store than the other services on its Redis.",
    )
    partitions: int = Field(
        1, ge=1, le=1024, description="Number of partitions that jobs are spread over; the same for all services."
    )
    lease: Seconds = Field(10.0, description="Seconds after which an entry whose worker went silent is taken over.")
    max_attempts: int = Field(5, ge=1, description="Starts of work on one entry before it becomes a dead letter.")
    drain_grace: Seconds = Field(15.0, description="Seconds that work under way may take to finish after SIGTERM.")
    backlog_limit: int = Field(
        1_000_000, ge=1, description="Waiting entries of one stream above which uploads are refused."
    )
    retention: int = Field(24 * 3600, ge=60, description="Seconds a finished job and its results are kept.")
    admin_host: str = Field("127.0.0.1", description="Address of the admin port (health and metrics).")
    admin_port: int = Field(0, ge=0, le=65535, description="Admin port; 0 picks a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "pretty"] = Field(
        "auto", description="auto is pretty on a terminal, JSON elsewhere."
    )

    @field_validator("blob_url")
    @classmethod
    def _blob_url(cls, url: str) -> str:
        if "://" not in url:
            raise ValueError("the blob store is a URL, for example file:///var/lib/darkroom or s3://bucket")
        return url


class StageSettings(Settings):
    """What a service needs to know that takes work from the streams."""

    take: str = Field(
        "",
        description="Partitions that this process takes work from, such as `0-3` or `0,2,5-7`. None: all. Together the "
        "processes of each service must take every one.",
    )

    @property
    def taken(self) -> list[int]:
        """The partitions to take work from, in order."""
        if not self.take.strip():
            return list(range(self.partitions))
        taken: set[int] = set()
        for part in self.take.split(","):
            match = _SHARE.fullmatch(part)
            if match is None:
                raise ValueError("take names partitions like 0-3 or 0,2,5-7")
            first = int(match[1])
            last = int(match[2] or first)
            if not first <= last < self.partitions:
                raise ValueError(
                    f"there are the partitions 0 to {self.partitions - 1}, and {part.strip()} is not among"
                )
            taken.update(range(first, last + 1))
        return sorted(taken)

    @model_validator(mode="after")
    def _take(self) -> Self:
        _ = self.taken
        return self
