"""The way off the event loop: threads that ask the database, each call in one transaction.

A path is a SQLite file (`db.sqlite`), a URL a PostgreSQL server (`db.postgres`), which is loaded only for one.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from db.bound import TABLES
from db.engines import DatabaseEngine, Session
from db.errors import StaleEpoch, Unavailable, Unusable
from db.sqlite import SqliteEngine
from db.standing import Standing

WAIT_S = 5.0  # for the file and for earlier jobs: from the request to its start
NOTE_S = 0.25  # the same for optional writes
TROUBLE_S = 5.0  # after a failure, optional writes are skipped for so long
CHECK_S = 2.0
P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """Owns the threads and their connections. `run` and `read` are the interface; each call is one transaction.

    Jobs wait in the order asked, as many as there are callers awaiting one, so the HTTP server's limits bound them; none waits
    longer than WAIT_S. What is the machine's fault raises Unavailable, and is said in the log once a minute.
    """

    def __init__(self, place: Path | str) -> None:
        """place: the path of a SQLite file, or the URL of a PostgreSQL server. Raises Unusable where its driver is not installed."""
        self.reading, self.writing = Standing("read"), Standing("written")
        self.stale_writes = 0  # refused because another server has taken the broadcast over, since the start
        self._engine = _engine_of(place)
        self._writer, self._reader = _Lane(self._engine), _Lane(self._engine, reading=True)
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
        """Call a function of this package in a writing thread, in one transaction. Raises what it raises, and Unavailable."""
        return await self._told(self.writing, self._writer.do(WAIT_S, function, *args, **kwargs))

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, for a function that only reads, in a reading thread: locks of other programs do not block it."""
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
        trying = self._writer.do(CHECK_S, self._engine.check, write=self.writing.trouble is not None)
        await self._told(self.writing, trying)

    async def close(self) -> None:
        """Close the connections and end the threads, after the jobs already asked for."""
        await self._reader.close()
        await self._writer.close()

    async def _told(self, standing: Standing, asking: Coroutine[Any, Any, T]) -> T:
        began = time.monotonic()
        try:
            answer = await asking
        except Unavailable as fault:
            standing.failed(fault)
            raise
        except StaleEpoch:
            self.stale_writes += 1
            raise
        finally:
            standing.took(time.monotonic() - began)
        standing.worked()
        return answer


class _Lane:
    """The threads that write, or those that read, each with a session of its own, and their queue of jobs."""

    def __init__(self, engine: DatabaseEngine, *, reading: bool = False) -> None:
        self._engine, self._reading = engine, reading
        self._threads: ThreadPoolExecutor | None = None
        self._here = threading.local()
        self._sessions: list[Session] = []
        self._left_alone: set[asyncio.Task[None]] = set()  # each watches a job whose caller was cancelled

    async def open(self) -> None:
        """The first writer prepares the database."""
        self._threads = ThreadPoolExecutor(self._engine.threads, thread_name_prefix="db-read" if self._reading else "db")
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._begin)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(self._end, threads)
            await asyncio.gather(*self._left_alone)

    async def do(self, wait_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises Unavailable if the job does not start in time; a started job is awaited, or watched where the caller is cancelled."""
        assert self._threads is not None, "the database is not open"
        taken: list[Session] = []  # the session that has begun the job
        job = self._threads.submit(self._transact, time.monotonic() + wait_s, partial(function, *args, **kwargs), taken)
        answer: asyncio.Future[T] = asyncio.wrap_future(job)
        try:
            await asyncio.wait({answer}, timeout=wait_s)
            if job.cancel():
                raise self._engine.too_late()
            await self._watch(answer, taken)
            return await answer
        except asyncio.CancelledError:
            if self._engine.silent_s is None or job.cancel() or job.done():
                answer.cancel()
            else:  # it goes on, and must not hold its session for ever
                watching = asyncio.create_task(self._see_out(answer, taken), name="a job that nobody awaits")
                self._left_alone.add(watching)
                watching.add_done_callback(self._left_alone.discard)
            raise

    async def _watch(self, answer: "asyncio.Future[T]", taken: list[Session]) -> None:
        """Where the engine has such a limit: until the job is done, which is broken off where it hears nothing for too long."""
        while not answer.done() and self._engine.silent_s is not None:
            await asyncio.wait({answer}, timeout=self._engine.silent_s)
            if not answer.done() and taken:
                taken[0].break_off(self._engine.silent_s)

    async def _see_out(self, answer: "asyncio.Future[T]", taken: list[Session]) -> None:
        await self._watch(answer, taken)
        answer.exception()  # nobody else asks for it

    def _begin(self) -> None:
        """In a thread, the first time."""
        if not self._reading:
            self._engine.prepare()
        self._session()

    def _end(self, threads: ThreadPoolExecutor) -> None:
        threads.shutdown()
        for session in self._sessions:
            session.close()
        self._sessions.clear()

    def _session(self) -> Session:
        """The thread's own."""
        session: Session | None = getattr(self._here, "session", None)
        if session is None:
            session = self._here.session = self._engine.open(reading=self._reading)
            self._sessions.append(session)
            TABLES.bind(session.tables)
        return session

    def _transact(self, deadline: float, job: Callable[[], T], taken: list[Session]) -> T:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise self._engine.too_late()
        session = self._session()
        taken.append(session)
        return session.transact(job, left_s)


def _engine_of(place: Path | str) -> DatabaseEngine:
    if isinstance(place, Path):
        return SqliteEngine(place)
    try:
        from db.postgres import PostgresEngine
    except ImportError as error:
        raise Unusable("database.url needs the packages of several servers: python3 run.py install nodes") from error
    return PostgresEngine(place)


def _look() -> None:
    TABLES.execute_sql("SELECT 1 FROM migration").fetchone()
