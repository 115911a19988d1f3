"""Where the parts of a running stack are reached: told on standard output and kept in the data directory."""

from pathlib import Path
from typing import Final

import msgspec

_FILE: Final = "addresses.json"


class Addresses(msgspec.Struct, frozen=True):
    """`http` is the one public origin; `admin` has the health and metrics address of each service by its name."""

    http: str
    redis: str
    admin: dict[str, str]
    pid: int
    data_dir: str

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()


def write(data_dir: Path, addresses: Addresses) -> None:
    """Keep the addresses for other programs of the same user; the file holds the password of the server."""
    path = data_dir / _FILE
    path.touch(mode=0o600)
    path.write_text(addresses.to_json() + "\n", "utf-8")


def read(data_dir: Path) -> Addresses | None:
    """The addresses of the stack that runs, or last ran, on this data directory; none if it never did."""
    try:
        return msgspec.json.decode((data_dir / _FILE).read_bytes(), type=Addresses)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
