"""Ports on the addresses of this machine: whether one is free, and which one is."""

import random
import socket
from typing import Final

from infra.errors import WrongUsage

#: Below the ports that systems hand out to outgoing connections (Linux: 32768 and up, others: 49152 and up), so that
#: no connection takes a port between our choice of it and its use.
_CANDIDATES: Final = range(10_000, 32_000)
_TRIES: Final = 200


def free_port(host: str, *, preferred: int | None = None) -> int:
    """A port that nobody listens on; `preferred` if that is one."""
    candidates = [preferred] if preferred else []
    candidates += random.sample(_CANDIDATES, _TRIES)
    for port in candidates:
        if is_free(host, port):
            return port
    raise WrongUsage(f"No free port found at {host} after {_TRIES} tries.")


def is_free(host: str, port: int) -> bool:
    try:
        _try(host, port)
    except OSError:
        return False
    return True


def claim(host: str, port: int) -> int:
    """`port`, or a free one for 0. Raises WrongUsage when it is taken or the address is not one of this machine."""
    if port == 0:
        return free_port(host)
    try:
        _try(host, port)
    except PermissionError as error:
        raise WrongUsage(
            f"Port {port} needs more rights than you have; choose one from 1024 up with --port."
        ) from error
    except OSError as error:
        if _belongs_here(host):
            raise WrongUsage(
                f"Port {port} at {host} is taken by another program. Stop that one, or choose another port: "
                f"--port {free_port(host)} (or --port 0 for any free one)."
            ) from error
        raise WrongUsage(
            f"Cannot listen at {host}: {error.strerror}. --host takes an address of this machine."
        ) from error
    return port


def url(host: str, port: int) -> str:
    """The address to open from this machine, also when the server listens on all of its addresses."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _belongs_here(host: str) -> bool:
    try:
        _try(host, 0)
    except OSError:
        return False
    return True


def _try(host: str, port: int) -> None:
    """Listen there for a moment; raises OSError when that cannot be done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
