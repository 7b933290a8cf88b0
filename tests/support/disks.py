"""A small disk of one's own, to be filled: a tmpfs, which takes root (or a right to mount)."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 64 * 1024


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes at `place`. Whoever may not mount one sees that, and no test is left out for it."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """A file that takes all but `leave` bytes of what is left."""
    filling = disk / "filling"
    with filling.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while (room := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - leave) > 0:
            file.write(bytes(min(BLOCK, room)))
    found = os.statvfs(disk)
    assert leave or found.f_bavail == 0, errno.errorcode
    return filling
