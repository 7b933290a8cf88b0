"""Memory in pages of 2 MB instead of 4 KB, for data that is read with cold caches: weights every 10 ms, listeners' keys every 20 ms."""

import ctypes
import mmap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

HUGE = 2 << 20
MAPS, PAGES = Path("/proc/self/maps"), Path("/proc/self/pagemap")
HEAP_ROOM = 128 << 20  # addresses reserved for the heap, enough for a thousand listeners; memory is taken as they are used
_PROBE_BYTES, _MOST_PROBES = 65536, 256  # blocks allocated until the heap grows
_TRIM_THRESHOLD, _TOP_PAD, _USUAL_PAD = -1, -2, 128 << 10  # of glibc's mallopt
_WORTH = 0.75  # share of a huge page that must be in use
_ENTRY = 8  # bytes of /proc/self/pagemap for a small page, little-endian
_HUGEPAGE = 14  # MADV_HUGEPAGE: from the first touch on, unless the system's policy is "never"
_COLLAPSE = 25  # MADV_COLLAPSE, Linux 6.1: at once, whatever the system's policy is


def collapse() -> None:
    """Move this process's private memory into huge pages, which forks share. Does nothing where the kernel cannot.

    A hop of DeepFilterNet reads 8.6 MB in 2,100 small pages, more than the TLB keeps through 10 ms of other work: 13 % of a paced
    hop was spent on page walks. Takes 2 ms for each MB. Huge pages that are mostly unused are left alone: they would be filled.
    """
    advise = getattr(ctypes.CDLL(None), "madvise", None)
    if advise is None:
        return
    for page in _mostly_used(_anonymous()):
        advise(ctypes.c_void_p(page), ctypes.c_size_t(HUGE), _COLLAPSE)


def grow_large() -> None:
    """Let the next HEAP_ROOM bytes of heap growth use huge pages. Does nothing where the C library or the kernel cannot.

    A listener's encryption state is scattered over the heap and is read every 20 ms. Each 2 MB are taken at their first touch, so a
    listener holds some 40 KB more. Call it once, on the main thread, whose heap it is. Setting these two options turns off glibc's
    dynamic threshold: from then on each block of 128 KB or more is mapped separately, however often that happens.
    """
    libc = ctypes.CDLL(None)
    if not all(hasattr(libc, name) for name in ("mallopt", "madvise", "sbrk")):
        return
    libc.sbrk.restype = libc.malloc.restype = ctypes.c_void_p
    start: int = libc.sbrk(0)
    libc.mallopt(_TOP_PAD, HEAP_ROOM)
    _grow(libc, start)
    libc.mallopt(_TOP_PAD, _USUAL_PAD)  # later growth is in usual steps: a large step fails near an address limit
    end: int = libc.sbrk(0)
    if end > start:
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _HUGEPAGE)


def _grow(libc: ctypes.CDLL, start: int) -> None:
    """Allocate blocks until the heap's end moves from `start`, then free them without returning the room to the system."""
    libc.mallopt(_TRIM_THRESHOLD, 2 * HEAP_ROOM)
    blocks: list[int | None] = []
    while libc.sbrk(0) == start and len(blocks) < _MOST_PROBES:
        blocks.append(libc.malloc(ctypes.c_size_t(_PROBE_BYTES)))
    for block in blocks:
        libc.free(ctypes.c_void_p(block))


def _mostly_used(ranges: Sequence[tuple[int, int]]) -> Iterator[int]:
    """The huge pages in these ranges of which at least _WORTH is in memory; all where the kernel does not tell."""
    small = HUGE // mmap.PAGESIZE
    with ExitStack() as opened:
        try:
            pages = opened.enter_context(PAGES.open("rb"))
        except OSError:
            pages = None
        for start, end in ranges:
            for page in range(-(-start // HUGE) * HUGE, end // HUGE * HUGE, HUGE):
                if pages is None or _present(pages, page, small) >= _WORTH * small:
                    yield page


def _present(pages: BinaryIO, start: int, count: int) -> int:
    """How many of `count` small pages from there on are in memory (bit 63 of their entries)."""
    pages.seek(start // mmap.PAGESIZE * _ENTRY)
    return sum(entry >> 7 for entry in pages.read(count * _ENTRY)[_ENTRY - 1 :: _ENTRY])


def _anonymous() -> list[tuple[int, int]]:
    """Begin and end of the heap and other private anonymous memory."""
    try:
        lines = [line.split() for line in MAPS.read_text().splitlines()]
    except OSError:
        return []
    ours = (words[0].split("-") for words in lines if words[1] == "rw-p" and words[5:] in ([], ["[heap]"]))
    return [(int(start, 16), int(end, 16)) for start, end in ours]
