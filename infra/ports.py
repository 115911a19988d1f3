"""Ports on the addresses of this machine: whether one is free, and which one is."""

import os
import random
import socket
import sys
from collections import deque
from contextlib import suppress
from typing import Final

from infra.errors import WrongUsage

#: Below the ports that systems hand out to outgoing connections (Linux: 32768 and up, others: 49152 and up), so that
#: no connection takes a port between our choice of it and its use.
_CANDIDATES: Final = range(10_000, 32_000)
_TRIES: Final = 200
#: Descriptors of sockets that keep the ports we chose last from being chosen by another program until they are
#: listened on, which is soon; so a long program that chooses many ports keeps only these.
_KEPT: Final[deque[int]] = deque(maxlen=64)


def free_port(host: str, *, preferred: int | None = None) -> int:
    """A port that nobody listens on; `preferred` if that is one.

    No other call of this function gives the same one meanwhile, in no process of a Linux machine. A program that
    sets SO_REUSEADDR, as servers do, can listen on it.
    """
    if preferred and _is_free(host, preferred):
        return preferred
    for port in random.sample(_CANDIDATES, _TRIES):
        with suppress(OSError):
            return _keep(host, port)
    raise WrongUsage(f"No free port found at {host} after {_TRIES} tries.")


def _is_free(host: str, port: int) -> bool:
    try:
        _try(host, port)
    except OSError:
        return False
    return True


def _keep(host: str, port: int) -> int:
    """Bind without listening, which fails where anyone has bound; raises OSError then.

    Linux lets a second socket bind and listen if both allow it and the first does not listen (socket(7)); hence the
    option comes after our own bind. BSD systems do not, so there the port is only tried.
    """
    holder = _socket(host)
    try:
        holder.bind((host, port))
    except OSError:
        holder.close()
        raise
    if sys.platform != "linux":
        holder.close()
        return port
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if len(_KEPT) == _KEPT.maxlen:
        os.close(_KEPT.popleft())
    _KEPT.append(holder.detach())
    return port


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
    with _socket(host) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
