"""Runs a program that ends when its parent does, however that comes about (on Linux; elsewhere it just runs it).

`python -I -S bound.py PARENT_PID SIGNAL PROGRAM [ARG ...]`: becomes PROGRAM, to which the kernel will send SIGNAL when
the thread that started it is gone. Setting this between fork and exec in the parent would not be safe there, since
asyncio's watcher threads may hold locks; a program of its own can do it.
"""

import ctypes
import os
import sys

#: prctl(2), <linux/prctl.h>. Kept over exec, unless the program is set-user-id.
PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, number, *command = sys.argv[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != int(parent):
            sys.exit(1)  # it died before the kernel was told
    os.execv(command[0], command)  # noqa: S606 - the command is our own supervisor's


if __name__ == "__main__":
    main()
