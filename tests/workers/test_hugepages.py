"""Huge pages: a gain where the kernel has them, nothing where it has not."""

import mmap
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workers import hugepages
from workers.hugepages import HEAP_ROOM, HUGE, collapse

POLICY = Path("/sys/kernel/mm/transparent_hugepage/enabled")
GROWN = """
import ctypes
from pathlib import Path
from workers.hugepages import grow_large
grow_large()
grow_large()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
blocks = [libc.malloc(3000) for _ in range(2000)]
for block in blocks:
    ctypes.memset(ctypes.c_void_p(block), 1, 3000)
for block in blocks:
    libc.free(ctypes.c_void_p(block))
print(Path("/proc/self/smaps").read_text())
"""


def in_huge_pages() -> int:
    """Kilobytes of this process."""
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("AnonHugePages"))


def kernel_can() -> bool:
    with mmap.mmap(-1, 2 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(b"x" * len(memory))
        try:
            address = np.frombuffer(memory, np.uint8).ctypes.data
            memory.madvise(hugepages._COLLAPSE, -address % HUGE, HUGE)
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


@pytest.mark.skipif(not POLICY.exists() or platform.libc_ver()[0] != "glibc", reason="no huge pages in this kernel, or another C library")
def test_growth_is_large() -> None:
    """The heap has room that is marked for huge pages, and keeps it when what was in it is given back."""
    smaps = subprocess.run(
        [sys.executable, "-c", GROWN], cwd=Path(hugepages.__file__).parents[1], capture_output=True, text=True, check=True
    ).stdout
    areas = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.M)
    heap = [area for area in areas if area.partition("\n")[0].endswith("[heap]") and re.search(r"^VmFlags:.* hg\b", area, re.M)]
    assert sum(int(size) for area in heap for size in re.findall(r"^Size: +(\d+) kB", area, re.M)) >= HEAP_ROOM >> 10


def test_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the memory cannot be looked at, nothing happens."""
    monkeypatch.setattr(hugepages, "MAPS", tmp_path / "nothing")
    collapse()


@pytest.mark.skipif(platform.system() != "Linux", reason="only Linux has them")
def test_what_is_mostly_holes_is_left_alone() -> None:
    """Of memory that was asked for and hardly touched only the huge pages in use are moved: the others' holes would be filled."""
    with mmap.mmap(-1, 4 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        address = np.frombuffer(memory, np.uint8).ctypes.data
        first = -address % HUGE
        memory[first + HUGE : first + 2 * HUGE] = b"x" * HUGE  # the second one whole, of the first a byte
        memory[first] = 1
        assert list(hugepages._mostly_used([(address, address + len(memory))])) == [address + first + HUGE]
