"""Lets a child process end with its parent, and not before it, without a pipe to watch."""

import ctypes
import os
import signal
import sys

PARENT = "_HUSHCAST_PARENT_PID"  # the environment variable by which `child` names itself
_PR_SET_PDEATHSIG = 1


def leave_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent dies, on Linux; elsewhere nothing happens. Call it first in `main`.

    SIGHUP, which goes to the whole group or service, does not end the server, so it is ignored here too.
    parent: its process id; without it the one that `child` left in the environment. Exits at once if that process has died already.
    """
    named = os.environ.pop(PARENT, None)  # of this process only: its own children have another parent
    if parent is None and named is not None:
        parent = int(named)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(0)
