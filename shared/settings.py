"""The base of all settings: typed values from `DARKROOM_*` environment variables.

Each service has a subclass next to it. Every field has a default that is right for a newcomer, a unit and one line
of meaning in its description; `docs/configuration.md` is made from them.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.secret_files import secret

Seconds = Annotated[float, Field(gt=0)]

#: A partition, or the first and the last of several.
_SHARE: Final = re.compile(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?")


class _Secret:
    """Marks a setting whose value may come from a file."""


SECRET: Final = _Secret()


def takes_file(field: FieldInfo) -> bool:
    """Whether the value of a setting may come from a file."""
    return SECRET in field.metadata


class SecretFiles(PydanticBaseSettingsSource):
    """The settings marked as `SECRET` whose files the environment names."""

    def __init__(self, settings: type[BaseSettings]) -> None:
        super().__init__(settings)
        self._prefix = str(self.config.get("env_prefix", "")).upper()

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = f"{self._prefix}{field_name.upper()}"
        named = takes_file(field) and os.environ.get(f"{name}_FILE")
        return secret(name) if named else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """What every service needs to know."""

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_",
        extra="ignore",
        frozen=True,
        # An error must not show a secret that was mistyped.
        hide_input_in_errors=True,
    )

    redis_password: Annotated[SecretStr | None, SECRET] = Field(
        None, description="Password of the Redis server. None: the one in its URL, if there is one."
    )
    redis_url: Annotated[str, SECRET] = Field(
        "redis://127.0.0.1:6379/0", description="Redis or Valkey server, as a URL."
    )
    redis_cluster: bool = Field(
        default=False,
        description="Whether that server is a node of a Redis Cluster; every other node must be reachable, too.",
    )
    blob_url: str = Field(
        f"file://{Path('.darkroom/blobs').absolute()}",
        description="Blob store, as a URL: file://, s3://, gs://, az:// or memory://. Default: .darkroom/blobs here.",
    )
    blob_reserve: int = Field(
        256,
        ge=0,
        description="MiB that stay free on the disk of a file:// store, for the results of what was accepted: below, "
        "uploads are refused and readiness is false.",
    )
    store_check: bool = Field(
        default=True,
        description="Whether a service refuses to start with another blob store than the other services on its Redis.",
    )
    partitions: int = Field(
        1, ge=1, le=1024, description="Number of partitions that jobs are spread over; the same for all services."
    )
    lease: Seconds = Field(10.0, description="Seconds after which an entry whose worker went silent is taken over.")
    max_attempts: int = Field(
        5,
        ge=1,
        description="Starts of work on one entry before it becomes a dead letter. With 1, "
        "images that were started together with one that kills its worker become dead letters with it.",
    )
    drain_grace: Seconds = Field(15.0, description="Seconds that work under way may take to finish after SIGTERM.")
    backlog_limit: int = Field(
        1_000_000, ge=1, description="Waiting entries of one stream above which uploads are refused."
    )
    retention: int = Field(24 * 3600, ge=60, description="Seconds a finished job and its results are kept.")
    admin_host: str = Field(
        "127.0.0.1", description="Address of the admin port (health and metrics). It has no keys: keep it inside."
    )
    admin_port: int = Field(0, ge=0, le=65535, description="Admin port; 0 picks a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "pretty"] = Field(
        "auto", description="auto is pretty on a terminal, JSON elsewhere."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - .env files are Compose's business
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours are named one by one
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFiles(settings_cls)

    @property
    def reserved(self) -> int:
        """`blob_reserve` in bytes."""
        return self.blob_reserve * 1024 * 1024

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, url: str, info: ValidationInfo) -> str:
        """The URL with the password that was given apart from it."""
        password: SecretStr | None = info.data.get("redis_password")
        if password is None:
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or parts.password:
            raise ValueError("a password of its own goes with a redis:// or rediss:// URL that has none")
        user, at, place = parts.netloc.rpartition("@")
        told = f"{user.rstrip(':') if at else ''}:{quote(password.get_secret_value(), safe='')}"
        return parts._replace(netloc=f"{told}@{place}").geturl()

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
