"""Whether the disk of a blob store that is a folder takes more."""

import os
from pathlib import Path

from shared.errors import StorageUnavailable


def check_room(folder: Path, reserve: int) -> None:
    """Raise StorageUnavailable when the disk is read-only or has less than `reserve` bytes left; also what stat raises.

    Less counts for who is no superuser, and a disk without a free file is as full as one without a byte.
    """
    disk = os.statvfs(folder)
    if disk.f_flag & os.ST_RDONLY:
        raise StorageUnavailable("The disk of the blob store is read-only.")
    # Some kinds of disk make files as they need them, and have none at all to count.
    if disk.f_bavail * disk.f_frsize < reserve or (reserve and disk.f_files and not disk.f_favail):
        raise StorageUnavailable("The disk of the blob store is full.")
