"""Memory in pages of 2 MB instead of 4 KB, for weights that are read through every 10 ms with cold caches."""

import ctypes
from pathlib import Path

HUGE = 2 << 20
MAPS = Path("/proc/self/maps")
_COLLAPSE = 25  # MADV_COLLAPSE, Linux 6.1: now, and whatever the system's policy is


def collapse() -> None:
    """Move what this process holds into huge pages; forks share them. Where the kernel cannot, nothing happens.

    A hop of DeepFilterNet reads 8.6 MB in 2,100 small pages, more than the TLB remembers through 10 ms of others' work: 13 %
    of a paced hop went into looking them up. Takes 2 ms for each MB, and a few MB for holes that are filled.
    """
    advise = getattr(ctypes.CDLL(None), "madvise", None)
    if advise is None:
        return
    for start, end in _anonymous():
        for page in range(-(-start // HUGE) * HUGE, end // HUGE * HUGE, HUGE):
            advise(ctypes.c_void_p(page), ctypes.c_size_t(HUGE), _COLLAPSE)


def _anonymous() -> list[tuple[int, int]]:
    """Where the heap and other private memory that is no file's begins and ends."""
    try:
        lines = [line.split() for line in MAPS.read_text().splitlines()]
    except OSError:
        return []
    ours = (words[0].split("-") for words in lines if words[1] == "rw-p" and words[5:] in ([], ["[heap]"]))
    return [(int(start, 16), int(end, 16)) for start, end in ours]
