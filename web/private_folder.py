"""Keeps `storage.path` private: only its owner can read what is in it, whatever the umask was."""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

OTHERS = 0o077  # the bits of group and others


@contextmanager
def private(storage: Path, *, deep: bool = False) -> Iterator[None]:
    """Make the folder and tighten it; inside the block this process and its children create files as 0600 and folders as 0700.

    deep: tighten also what is in its folders. Raises OSError. Blocks: not for the loop.
    """
    before = os.umask(OTHERS)
    try:
        storage.mkdir(parents=True, exist_ok=True)
        tighten(storage, deep=deep)
        yield
    finally:
        os.umask(before)


def tighten(storage: Path, *, deep: bool) -> None:
    """Remove the permissions of group and others, without following symbolic links. Logs what was changed and what could not be."""
    changed, foreign = 0, 0
    for _, folders, files, handle in os.fwalk(storage.resolve(), follow_symlinks=False):
        for name in (".", *files, *(() if deep else folders)):
            what_became = _tightened(name, handle)
            changed += what_became is True
            foreign += what_became is None
        if not deep:
            break
    level = logging.WARNING if deep else logging.INFO  # for the server it is a finding, for a command a detail
    if changed:
        logger.log(level, "%s: %s files and folders were open to others; now they are their owner's alone", storage, changed)
    if foreign:
        logger.log(level, "%s: %s files and folders belong to another user, who decides who may read them", storage, foreign)


def _tightened(name: str, handle: int) -> bool | None:
    """True: permissions were removed. False: nothing to do. None: it belongs to another user."""
    try:
        found = os.stat(name, dir_fd=handle, follow_symlinks=False)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            return False
        if found.st_uid != os.geteuid():
            return None
        if not found.st_mode & OTHERS:
            return False
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
        try:
            mode = os.fstat(opened).st_mode
            os.fchmod(opened, stat.S_IMODE(mode) & ~OTHERS)
        finally:
            os.close(opened)
    except FileNotFoundError:
        return False  # deleted meanwhile
    except OSError as error:
        logger.warning("%s: may be open to others: %s", name, error.strerror)
        return False
    return True
