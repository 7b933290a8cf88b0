"""SQLite: one file, one thread that writes it and one that reads it.

In WAL mode a reader never waits for a writer, even of another program. A read begins when its turn comes, so it sees every write that
was answered before the read was requested.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import peewee

from db import before_migrating, opening
from db.bound import TABLES
from db.errors import Clash, Unavailable
from db.faults import NO_ROOM, fault_of, free_bytes, is_write_by_reader
from db.migrations import apply_missing

PRAGMAS = {"journal_mode": "wal", "synchronous": "normal", "foreign_keys": 1, "temp_store": "memory"}
WAIT_S = 5.0  # for another program, where no job's own time is known
T = TypeVar("T")


class SqliteFile(peewee.SqliteDatabase):
    """One connection to the file, which the threads that use it use one after the other."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), pragmas=PRAGMAS, lock_type="IMMEDIATE", autoconnect=False, thread_safe=False)

    def raw(self) -> sqlite3.Connection:
        """The connection itself."""
        connection: sqlite3.Connection = self.connection()  # type: ignore[no-untyped-call]
        return connection

    def rollback(self) -> None:
        """Not where SQLite has done it already, as it does when the disk is full."""
        if self.raw().in_transaction:
            super().rollback()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.database, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            self._add_conn_hooks(connection)  # type: ignore[attr-defined]
        except BaseException:
            connection.close()
            raise
        return connection


class SqliteSession:
    """Implements Session: the open file, read-only if asked."""

    def __init__(self, path: Path, *, reading: bool) -> None:
        self.tables = SqliteFile(path)
        self._path, self._reading = path, reading
        try:
            self.tables.connect()
            try:
                if reading:
                    self.tables.raw().execute("PRAGMA query_only = 1")
                else:
                    apply_missing(self.tables)
            except BaseException:
                self.tables.close()
                raise
        except (sqlite3.Error, peewee.PeeweeException) as error:
            raise opening.trouble_of(error, path) from error
        self._file = _identity(path)

    def transact(self, function: Callable[[], T], left_s: float) -> T:
        """A violated constraint that was not checked for (the account was deleted meanwhile, say) is a Clash, not a crash."""
        if _identity(self._path) != self._file:
            raise Unavailable("database_away", f"{self._path} has been moved or replaced while it was in use; start again")
        self.tables.raw().execute(f"PRAGMA busy_timeout = {max(1, int(left_s * 1000))}")
        try:
            with self.tables.atomic("DEFERRED" if self._reading else "IMMEDIATE"):
                return function()
        except peewee.IntegrityError as error:
            raise Clash("conflict") from error
        except (sqlite3.Error, peewee.PeeweeException) as error:
            fault = None if self._reading and is_write_by_reader(error) else fault_of(error, self._path)
            if fault is None:
                raise
            raise fault from error

    def break_off(self, silent_s: float) -> None:
        """Implements Session; the file always answers."""

    def close(self) -> None:
        """Implements Session."""
        self.tables.close()


class SqliteEngine:
    """Implements DatabaseEngine for the file at `path`."""

    threads = 1
    silent_s: float | None = None

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Create the file where there is none, whole or not at all, and look at it; an older one is copied before it is migrated."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._path.exists():
            opening.make(self._path, _fill)
        opening.look_at(self._path)
        before_migrating.keep(self._path)

    def open(self, *, reading: bool) -> SqliteSession:
        """Implements DatabaseEngine; the first writer migrates the file."""
        return SqliteSession(self._path, reading=reading)

    def check(self, *, write: bool) -> None:
        """The transaction alone detects locks. A small write may fit on a full disk, so free space is checked too."""
        if free_bytes(self._path.parent) < NO_ROOM:
            raise Unavailable("storage_full", f"nothing is left in {self._path.parent}")
        if write:
            TABLES.execute_sql("UPDATE migration SET applied_at = applied_at")

    def too_late(self) -> Unavailable:
        """Implements DatabaseEngine."""
        return Unavailable("database_busy", "others have waited for their turn for too long")


def _fill(draft: Path) -> None:
    with closing(SqliteFile(draft)) as file:
        file.connect()
        apply_missing(file)


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode, by which a file that was moved away or replaced is noticed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
