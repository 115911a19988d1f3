"""What the ingest service needs to know besides the settings that all services share."""

from pathlib import Path
from tempfile import gettempdir

from pydantic import Field

from shared.access import AccessSettings
from shared.settings import Seconds

MIB = 1024 * 1024


class IngestSettings(AccessSettings):
    """Limits of uploads, and where the service listens."""

    host: str = Field("127.0.0.1", description="Address that the HTTP service listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP service; 0 picks a free one.")
    max_bytes: int = Field(64 * MIB, ge=1, description="Bytes of one uploaded image above which it is refused.")
    max_pixels: int = Field(
        100_000_000, ge=1, description="Pixels (width times height, by its header) above which an image is refused."
    )
    max_parts: int = Field(64, ge=1, le=1024, description="Images in one request.")
    upload_budget: int = Field(
        512 * MIB, ge=1, description="Bytes of all uploads on their way in at one time; above, uploads are refused."
    )
    upload_memory: int = Field(
        4 * MIB, ge=0, description="Bytes of one upload that are kept in memory; a larger one goes through a file."
    )
    upload_dir: Path = Field(
        Path(gettempdir()),
        description="Folder for the unnamed files of uploads that are too large for memory. Default: the system's own.",
    )
    upload_quota: str = Field(
        "",
        description="KiB that each API key may upload, such as `1048576/day` for 1 GiB a day. None: any number. Counts "
        "only with keys.",
    )
    upload_timeout: Seconds = Field(60.0, description="Seconds without a byte after which an upload is given up.")
    presigned_uploads: bool = Field(
        default=False,
        description="Whether images may be put to the object store itself (s3, gs, az) with an address that it signed, "
        "POST /v1/uploads. Clients must reach the store; nothing limits what they put there but its own rules, and "
        "nothing else drops `inbox/`: infra/s3 has one.",
    )
    fetch_hosts: str = Field(
        "",
        description="Host names, separated by commas, from which images may be fetched that a request names by its "
        "parameter url; with a port, such as `images.example.com:8443`, where it is not 80 or 443. None: no fetching.",
    )
    fetch_timeout: Seconds = Field(20.0, description="Seconds that fetching one image may take.")
    fetch_allow_private: bool = Field(
        default=False, description="Whether images may be fetched from private, loopback and link-local addresses."
    )
    catalogue_ttl: Seconds = Field(2.0, description="Seconds that the list of filters is reused.")
    backlog_interval: Seconds = Field(0.5, description="Seconds that the measured backlog is reused.")
    redis_memory_share: float = Field(
        0.95, gt=0, le=1, description="Share of Redis's maxmemory in use above which uploads are refused."
    )
