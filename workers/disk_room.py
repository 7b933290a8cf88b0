"""Free space for recordings and caches, above a reserve that stays free for the database."""

import errno
import os
from pathlib import Path
from typing import NamedTuple

MB = 1_000_000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskRoom(NamedTuple):
    """The file system of `folder`, which need not exist yet; `floor` bytes of it stay free."""

    folder: Path
    floor: int

    def has(self, wanted: int = 0) -> bool:
        """Whether so many bytes fit above the floor; True where that is unknown. Blocks: not for the event loop."""
        try:
            folder = next(place for place in (self.folder, *self.folder.absolute().parents) if place.exists())
            found = os.statvfs(folder)
        except OSError:
            return True
        return found.f_bavail * found.f_frsize - wanted >= self.floor


def why_not(error: OSError) -> str:
    """The problem code of a failed write: `storage_full`, or `failed` for everything else."""
    return "storage_full" if error.errno in _FULL else "failed"
