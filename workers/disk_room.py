"""Room on a disk: how much is left for recordings and caches, above the floor that stays free for accounts."""

import errno
import os
from pathlib import Path
from typing import NamedTuple

MB = 1_000_000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskRoom(NamedTuple):
    """The file system of `folder`, made or not, of which `floor` bytes are to stay free."""

    folder: Path
    floor: int

    def has(self, wanted: int = 0) -> bool:
        """Whether so many bytes fit above the floor. Where nobody knows, the write will tell. Not for the loop."""
        try:
            folder = next(place for place in (self.folder, *self.folder.absolute().parents) if place.exists())
            found = os.statvfs(folder)
        except OSError:
            return True
        return found.f_bavail * found.f_frsize - wanted >= self.floor


def why_not(error: OSError) -> str:
    """What a write that failed is told as: `storage_full`, or `failed` for everything else."""
    return "storage_full" if error.errno in _FULL else "failed"
