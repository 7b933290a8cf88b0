"""Huge pages: a gain where the kernel has them, nothing where it has not."""

import mmap
import platform
from pathlib import Path

import numpy as np
import pytest

from workers import pages
from workers.pages import HUGE, collapse


def in_huge_pages() -> int:
    """Kilobytes of this process."""
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("AnonHugePages"))


def kernel_can() -> bool:
    with mmap.mmap(-1, 2 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(b"x" * len(memory))
        try:
            address = np.frombuffer(memory, np.uint8).ctypes.data
            memory.madvise(pages._COLLAPSE, -address % HUGE, HUGE)
        except OSError:
            return False
        return True


@pytest.mark.skipif(platform.system() != "Linux", reason="only Linux has them")
def test_collapse() -> None:
    """What is held is in huge pages afterwards, and is what it was; a fork may follow."""
    if not kernel_can():
        pytest.skip("this kernel does not put memory into huge pages when asked")
    held, before = np.arange(8 * HUGE // 4, dtype=np.int32), in_huge_pages()
    collapse()
    assert in_huge_pages() >= max(before, 6 * HUGE // 1024)
    assert (held == np.arange(len(held))).all()


def test_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the memory cannot be looked at, nothing happens."""
    monkeypatch.setattr(pages, "MAPS", tmp_path / "nothing")
    collapse()
