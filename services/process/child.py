"""What runs inside a pool process.

A child ignores SIGINT and SIGTERM, because draining is the parent's business and a signal to the whole group must
not kill work; and it never outlives its parent. Messages are msgpack, not pickle: a child that a hostile image took
over cannot make its parent run anything.
"""

import ctypes
import os
import resource
import signal
import sys
import traceback
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import cv2
import msgspec
import numpy as np
import simplejpeg

from services.process import kernels
from services.process.filters import every_filter
from services.process.messages import Reply, decode_request
from services.process.pipeline import develop
from shared.blobs import BlobStore

#: prctl(2): the signal to get when the parent dies.
_PR_SET_PDEATHSIG: Final = 1
_MIB: Final = 1024 * 1024
#: Bytes beside an image that threads and buffers of the blob client may take.
_CLIENT: Final = 64 * _MIB


def serve(connection: Connection, blob_url: str, memory_limit: int) -> None:
    """Develop images until the parent hangs up. The first message says that this child is warm.

    `memory_limit` is in MiB above what an idle child holds (enforced on Linux).
    """
    detach()
    _quiet_libraries()
    warm_up()
    # A child that starts while the folder is not mounted must not make another one.
    store = BlobStore(blob_url, create=False)
    _limit_memory(memory_limit * _MIB)
    reply = Reply(resident=resident())
    while True:
        try:
            connection.send_bytes(msgspec.msgpack.encode(reply))
            data = connection.recv_bytes()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        reply = _answer(data, store)


def detach() -> None:
    """Ignore SIGINT and SIGTERM, and die with the parent process (Linux)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _quiet_libraries() -> None:
    """Keep what image libraries write to standard error out of the logs: strangers' files decide how much that is.

    Python's own messages still get there.
    """
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)


def warm_up() -> None:
    """Load every filter and kernel and touch the codecs, so that the first image is as fast as any."""
    cv2.setNumThreads(1)
    every_filter()
    kernels.warm_up()
    _, data = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
    simplejpeg.decode_jpeg(data.tobytes(), "BGR")


def resident() -> int:
    """Resident memory of this process in bytes; 0 where it cannot be told cheaply."""
    if sys.platform != "linux":
        return 0
    # The second number of proc(5) statm, in pages.
    return int(os.pread(_statm(), 128, 0).split()[1]) * resource.getpagesize()


@lru_cache(maxsize=1)
def _statm() -> int:
    """A descriptor that stays open: opening it for each image takes longer than reading it."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def _answer(data: bytes, store: BlobStore) -> Reply:
    try:
        report = develop(decode_request(data), store)
    except Exception:  # noqa: BLE001 - told to the parent, which raises it
        return Reply(fault=traceback.format_exc(), resident=resident())
    return Reply(report=report, resident=resident())


def _limit_memory(budget: int) -> None:
    if sys.platform == "linux":
        most = _status("VmData") + budget + _CLIENT
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/self/status has no {name}")
