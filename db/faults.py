"""Maps errors of SQLite to Unavailable, with one of three codes, if the machine and not the program is the cause."""

import os
import sqlite3
from pathlib import Path

from db.errors import Unavailable

NO_ROOM = 1 << 20  # bytes: with less free space, an input/output error counts as a full disk
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
AWAY = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM} | DAMAGED
NO_TEXT = "Could not decode to UTF-8"  # Python's own, which has no code of SQLite's


def fault_of(error: BaseException, path: Path) -> Unavailable | None:
    """Unavailable for an error of sqlite3 or peewee that the machine causes; None for a fault of the program."""
    original = original_of(error)
    if original is None:
        return None
    code, text = _primary(original), f"{path.name}: {original}"
    if code in BUSY:
        return Unavailable("database_busy", text)
    if code == sqlite3.SQLITE_FULL or (code in AWAY - DAMAGED and free_bytes(path.parent) < NO_ROOM):
        return Unavailable("storage_full", text)
    if code in AWAY or NO_TEXT in str(original):
        return Unavailable("database_away", text)
    return None


def original_of(error: BaseException) -> sqlite3.Error | None:
    """SQLite's own error, which peewee wraps."""
    inner = getattr(error, "orig", error)
    return inner if isinstance(inner, sqlite3.Error) else None


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file's content is damaged."""
    return _primary(error) in DAMAGED


def is_write_by_reader(error: BaseException) -> bool:
    """Whether a read-only function has tried to write, which `PRAGMA query_only` refuses: a fault of the program."""
    return getattr(original_of(error), "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY


def free_bytes(folder: Path) -> int:
    """Free space for unprivileged users; 0 where unknown."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def _primary(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
