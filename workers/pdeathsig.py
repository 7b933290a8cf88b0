"""A child process that has no pipe to watch ends with the process that started it, and not before it."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def leave_with_parent(parent: int | None = None) -> None:
    """Be killed when the parent dies, on Linux; elsewhere nothing happens. Call it first thing in `main`.

    SIGHUP, which goes to the whole group or service, does not end the server; so it ends no child of the server.
    `parent`: its id, where it is known; leaves at once when that one has died already.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(0)
