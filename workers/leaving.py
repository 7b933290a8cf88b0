"""How a process of ours dies with its parent, and lets go of what it inherited. Linux first; elsewhere what there is."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends; leaves at once when it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor above 2 that is not in `kept`."""
    edges = sorted({2, *kept})
    for low, high in zip(edges, [*edges[1:], _highest() + 1], strict=True):
        os.closerange(low + 1, high)


def _highest() -> int:
    try:
        return max(map(int, os.listdir("/proc/self/fd")))
    except OSError:
        return int(os.sysconf("SC_OPEN_MAX"))
