"""One SQLite file, one thread that writes it, one that reads it, and the way off the event loop.

In WAL mode a reader never waits for a writer, even of another program. A read begins when its turn comes, so it sees every write that
was answered before the read was requested.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import peewee

from db import opening
from db.errors import Clash, Unavailable
from db.faults import NO_ROOM, fault_of, free_bytes, is_write_by_reader
from db.migrations import apply_missing
from db.standing import Standing

PRAGMAS = {"journal_mode": "wal", "synchronous": "normal", "foreign_keys": 1, "temp_store": "memory"}
WAIT_S = 5.0  # for the file and for earlier jobs: from the request to its start
NOTE_S = 0.25  # the same for optional writes
TROUBLE_S = 5.0  # after a failure, optional writes are skipped for so long
CHECK_S = 2.0
P = ParamSpec("P")
T = TypeVar("T")


class ThreadBound(peewee.SqliteDatabase):
    """The database of the tables: in each thread the file which that thread has opened, so that two servers can share a process."""

    def __init__(self) -> None:
        super().__init__("one file a thread", pragmas=PRAGMAS, lock_type="IMMEDIATE", autoconnect=False)
        self._here = threading.local()

    def open(self, path: Path, *, reading: bool = False) -> None:
        """Connect this thread to the file at `path`, read-only if asked; to be closed by the caller in the same thread."""
        self._here.path = str(path)
        self.connect()
        if reading:
            self._open_here().execute("PRAGMA query_only = 1")

    def patience(self, seconds: float) -> None:
        """How long this thread waits for other programs."""
        self._open_here().execute(f"PRAGMA busy_timeout = {max(1, int(seconds * 1000))}")

    def rollback(self) -> None:
        """Not where SQLite has done it already, as it does when the disk is full."""
        if self._open_here().in_transaction:
            super().rollback()

    def _open_here(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = self.connection()  # type: ignore[no-untyped-call]
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._here.path, timeout=WAIT_S, isolation_level=None)
        try:
            self._add_conn_hooks(connection)  # type: ignore[attr-defined]
        except BaseException:
            connection.close()
            raise
        return connection


TABLES = ThreadBound()


class Database:
    """Owns two threads and their connections. `run` and `read` are the interface; each call is one transaction.

    Jobs wait in the order asked, as many as there are callers awaiting one, so the HTTP server's limits bound them; none waits
    longer than WAIT_S. What is the machine's fault raises Unavailable, and is said in the log once a minute.
    """

    def __init__(self, path: Path) -> None:
        self.reading, self.writing = Standing("read"), Standing("written")
        self._path = path
        self._writer, self._reader = _Lane(path), _Lane(path, reading=True)
        self._no_notes_until = 0.0  # monotonic

    async def __aenter__(self) -> Self:
        """Raises Unusable, Unavailable."""
        await self._writer.open()
        try:
            await self._reader.open()
        except BaseException:
            await self._writer.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of this package in the writing thread, in one transaction. Raises what it raises, and Unavailable."""
        return await self._told(self.writing, self._writer.do(WAIT_S, function, *args, **kwargs))

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, for a function that only reads, in the reading thread: locks of other programs do not block it."""
        return await self._told(self.reading, self._reader.do(WAIT_S, function, *args, **kwargs))

    async def note(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """As `run`, for an optional write: None where it cannot be done soon, or has just failed."""
        if time.monotonic() < self._no_notes_until or self.writing.failed_within(TROUBLE_S):
            return None
        try:
            return await self._writer.do(NOTE_S, function, *args, **kwargs)
        except Unavailable as fault:
            self._no_notes_until = time.monotonic() + TROUBLE_S
            if fault.code != "database_busy":  # a skipped note is no trouble
                self.writing.failed(fault)
            return None

    async def check(self) -> None:
        """Check that it can be read and written now. Raises Unavailable."""
        await self._told(self.reading, self._reader.do(CHECK_S, _look))
        trying = self._writer.do(CHECK_S, _try, self._path.parent, write=self.writing.trouble is not None)
        await self._told(self.writing, trying)

    async def close(self) -> None:
        """Close the file and end the threads, after the jobs already asked for."""
        await self._reader.close()
        await self._writer.close()

    async def _told(self, standing: Standing, asking: Coroutine[Any, Any, T]) -> T:
        try:
            answer = await asking
        except Unavailable as fault:
            standing.failed(fault)
            raise
        standing.worked()
        return answer


class _Lane:
    """One thread with one connection and its queue of jobs."""

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        self._path, self._reading = path, reading
        self._thread: ThreadPoolExecutor | None = None
        self._file: tuple[int, int] | None = None  # device and inode of the open file

    async def open(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="db-read" if self._reading else "db")
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except BaseException:
            self._thread.shutdown()
            self._thread = None
            raise

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, TABLES.close)
            thread.shutdown()

    async def do(self, wait_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises Unavailable if the job does not start in time; a started job is always awaited."""
        assert self._thread is not None, "the database is not open"
        job = self._thread.submit(self._transact, time.monotonic() + wait_s, function, args, kwargs)
        answer: asyncio.Future[T] = asyncio.wrap_future(job)
        try:
            await asyncio.wait({answer}, timeout=wait_s)
            if job.cancel():
                raise _too_late()
            return await answer
        except asyncio.CancelledError:
            answer.cancel()
            raise

    def _open(self) -> None:
        """In the thread: the writer creates, checks and migrates the file, which the reader then opens."""
        if not self._reading:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._path.exists():
                opening.make(self._path, _fill)
            opening.look_at(self._path)
        try:
            TABLES.open(self._path, reading=self._reading)
            try:
                if not self._reading:
                    apply_missing(TABLES)
            except BaseException:
                TABLES.close()
                raise
        except (sqlite3.Error, peewee.PeeweeException) as error:
            raise opening.trouble_of(error, self._path) from error
        self._file = _identity(self._path)

    def _transact(self, deadline: float, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """A violated constraint that was not checked for (the account was deleted meanwhile, say) is a Clash, not a crash."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise _too_late()
        if _identity(self._path) != self._file:
            raise Unavailable("database_away", f"{self._path} has been moved or replaced while it was in use; start again")
        TABLES.patience(left_s)
        try:
            with TABLES.atomic("DEFERRED" if self._reading else "IMMEDIATE"):
                return function(*args, **kwargs)
        except peewee.IntegrityError as error:
            raise Clash("conflict") from error
        except (sqlite3.Error, peewee.PeeweeException) as error:
            fault = None if self._reading and is_write_by_reader(error) else fault_of(error, self._path)
            if fault is None:
                raise
            raise fault from error


def _fill(draft: Path) -> None:
    TABLES.open(draft)
    try:
        apply_missing(TABLES)
    finally:
        TABLES.close()


def _too_late() -> Unavailable:
    return Unavailable("database_busy", "others have waited for their turn for too long")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _look() -> None:
    TABLES.execute_sql("SELECT 1 FROM migration").fetchone()  # type: ignore[no-untyped-call]


def _try(folder: Path, *, write: bool) -> None:
    """The transaction alone detects locks. A small write may fit on a full disk, so free space is checked too."""
    if free_bytes(folder) < NO_ROOM:
        raise Unavailable("storage_full", f"nothing is left in {folder}")
    if write:
        TABLES.execute_sql("UPDATE migration SET applied_at = applied_at")  # type: ignore[no-untyped-call]
