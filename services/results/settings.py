"""What the results service needs to know."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from services.results import signing
from shared.access import AccessSettings
from shared.links import Links
from shared.settings import SECRET, Seconds, StageSettings


class ResultsSettings(AccessSettings, StageSettings):
    """Settings of the results service."""

    results_host: str = Field("127.0.0.1", description="Address of the HTTP port when the service runs alone.")
    results_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8082, description="HTTP port when the service runs alone; 0 picks a free one."
    )
    results_lanes: int = Field(2, ge=1, le=64, description="Batches of progress events in work at the same time.")
    results_batch: int = Field(256, ge=1, le=1000, description="Progress events in one batch at most.")
    retention_jobs: int = Field(
        100_000, ge=1, description="Finished jobs kept per owner and partition; older ones go before their time."
    )
    dead_letter_retention: int = Field(
        14 * 24 * 3600, ge=60, description="Seconds a dead letter is kept, and the originals of its day with it."
    )
    janitor_interval: Seconds = Field(60.0, description="Seconds between two rounds of the janitor.")
    webhook_batch: int = Field(16, ge=1, le=256, description="Webhooks of one partition delivered at the same time.")
    event_streams: int = Field(1000, ge=1, description="Open streams of server-sent events of one process at most.")
    event_keep_alive: Seconds = Field(15.0, description="Seconds without an event after which a comment is sent.")
    replay_rate: Annotated[float, Field(gt=0)] = Field(
        50.0, description="Dead letters per second when many are replayed with one request."
    )
    trace_url: str | None = Field(
        None, description="Address of a trace for people; {trace_id} stands for its id. None: no links."
    )
    presigned_downloads: bool = Field(
        default=False,
        description="Whether pictures are fetched from the object store itself (s3, gs, az): downloads answer 307 with "
        "an address that the store signed. Clients must reach the store; our own pages get the bytes from here.",
    )
    link_secret_file: Path | None = Field(
        None,
        description="File with the secrets that sign links to pictures, of 32 characters or more, one on a line: the "
        "first signs, every one is accepted. None: no links.",
    )
    webhook_secret: Annotated[SecretStr | None, SECRET] = Field(
        None,
        description="Secrets that sign webhooks (Standard Webhooks, whsec_ and base64), separated by spaces; every one "
        "signs, so that a new one can be added before the old one goes. None: webhooks are not signed.",
    )
    webhook_timeout: Seconds = Field(10.0, description="Seconds one delivery may take.")
    webhook_give_up: Seconds = Field(24 * 3600.0, description="Seconds after which a webhook is given up.")
    webhook_first_delay: Seconds = Field(5.0, description="Seconds before a failed delivery is tried again.")

    @property
    def links(self) -> Links | None:
        """What signs links, if anything does. Raises ValueError, OSError."""
        return Links.from_file(self.link_secret_file) if self.link_secret_file is not None else None

    @property
    def webhook_secrets(self) -> list[bytes]:
        return signing.read_secrets(self.webhook_secret.get_secret_value()) if self.webhook_secret else []

    @field_validator("webhook_secret")
    @classmethod
    def _secrets(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            signing.read_secrets(secret.get_secret_value())
        return secret
