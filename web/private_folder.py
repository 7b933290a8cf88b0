"""Whose `storage.path` is: everything in it is its owner's alone, whoever made it first and with what umask."""

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
    """What this process and its children make meanwhile is 0600 and 0700; the folder is there, and made so with what lies in it.

    deep: also what lies in its folders. Raises OSError. Not for the loop.
    """
    before = os.umask(OTHERS)
    try:
        storage.mkdir(parents=True, exist_ok=True)
        tighten(storage, deep=deep)
        yield
    finally:
        os.umask(before)


def tighten(storage: Path, *, deep: bool) -> None:
    """Take from group and others what they may; never through a symbolic link in it. What is done and what cannot be done is logged."""
    changed, foreign = 0, 0
    for _, folders, files, handle in os.fwalk(storage.resolve(), follow_symlinks=False):
        for name in (".", *files, *(() if deep else folders)):
            what_became = _tightened(name, handle)
            changed += what_became is True
            foreign += what_became is None
        if not deep:
            break
    level = logging.WARNING if deep else logging.INFO  # a command says what it was asked for, the server what it has found
    if changed:
        logger.log(level, "%s: %s files and folders were open to others; now they are their owner's alone", storage, changed)
    if foreign:
        logger.log(level, "%s: %s files and folders belong to another user, who decides who may read them", storage, foreign)


def _tightened(name: str, handle: int) -> bool | None:
    """True: others may no longer. False: nothing to do. None: it is another user's."""
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
        return False  # gone meanwhile
    except OSError as error:
        logger.warning("%s: may be open to others: %s", name, error.strerror)
        return False
    return True
