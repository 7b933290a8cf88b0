"""One SQLite file, one thread that speaks to it, and the one hop off the event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import peewee

from db.errors import Clash
from db.migrations import apply_missing

PRAGMAS = {"journal_mode": "wal", "synchronous": "normal", "foreign_keys": 1, "busy_timeout": 5000}
P = ParamSpec("P")
T = TypeVar("T")


class ThreadBound(peewee.SqliteDatabase):
    """What the tables are bound to: in each thread the file that this thread has opened, so that two servers may share a process."""

    def __init__(self) -> None:
        super().__init__("one file a thread", pragmas=PRAGMAS, lock_type="IMMEDIATE", autoconnect=False)
        self._here = threading.local()

    def open(self, path: Path) -> None:
        """Connect this thread to the file at `path`; the caller closes it, in the same thread."""
        self._here.path = str(path)
        self.connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._here.path, timeout=5, isolation_level=None)
        self._add_conn_hooks(connection)  # type: ignore[attr-defined]
        return connection


TABLES = ThreadBound()


class Database:
    """Owns the connection and its one thread. `run` is how everybody else asks; each call is one transaction.

    Jobs wait in the order asked, as many as there are callers awaiting one, so the HTTP server's limits bound them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="db")
        try:
            await self._hop(_open, self._path)
        except BaseException:
            self._thread.shutdown()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a plain function of this package in the database's thread, in one transaction. Raises what it raises."""
        return await self._hop(_transact, function, args, kwargs)

    async def close(self) -> None:
        """Close the file and end the thread, after the jobs already asked for."""
        if self._thread is not None:
            thread = self._thread
            await self._hop(TABLES.close)
            self._thread = None
            thread.shutdown()

    async def _hop(self, function: Callable[..., T], *args: object) -> T:
        assert self._thread is not None, "the database is not open"
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)


def _open(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    TABLES.open(path)
    try:
        apply_missing(TABLES)
    except BaseException:
        TABLES.close()
        raise


def _transact(function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
    """A constraint that nothing more precise has foreseen (the account went meanwhile, say) is a clash, not a crash."""
    try:
        with TABLES.atomic():
            return function(*args, **kwargs)
    except peewee.IntegrityError as error:
        raise Clash("conflict") from error
