"""PostgreSQL: threads that write and threads that read, each with a connection of its own, which are the bounded pool.

peewee's pool is not used: it holds its lock while it connects, so that all would wait for one host that does not answer. Every
question has a time limit at the server, every wait for an answer one here. A connection that was lost is made again by the next job;
while that fails, the others are refused at once: for RETRY_S, and while one of them tries again.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import peewee
import psycopg
from psycopg import conninfo, pq

from db import postgres_opening
from db.bound import TABLES
from db.errors import Clash, Unavailable, Unusable
from db.postgres_faults import fault_of, is_lost, is_repeatable, is_write_by_reader, one_line

logger = logging.getLogger(__name__)

THREADS = 4  # that write, and as many that read
RETRY_S = 0.5  # between two tries to connect
CONNECT_S = 3  # for each address of the host
AFTER_S = 0.05  # before a transaction is tried again: the one that was in the way ends meanwhile
STATEMENT_S, LOCK_S, IDLE_S = 5, 3, 10  # limits that the server keeps: of a statement, of its waiting for locks, between two
FETCHED = 500  # rows at a time, where an answer may be long
SILENT_S = 8.0  # without an answer, until the connection is broken off
KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2, "tcp_user_timeout": 5000}
T = TypeVar("T")


class _Driver(peewee.Psycopg3Adapter):
    """peewee's adapter knows the driver only where peewee itself has imported it (`db.driverless`)."""

    def check_driver(self) -> None:
        """It is imported above."""

    def get_binary_type(self) -> Any:
        return psycopg.Binary


class PostgresTables(peewee.PostgresqlDatabase):
    """One connection, which the threads that use it use one after the other."""

    psycopg2_adapter = psycopg3_adapter = _Driver

    def __init__(self, parameters: dict[str, Any]) -> None:
        super().__init__(parameters.get("dbname") or "postgresql", autoconnect=False, thread_safe=False)
        self._parameters = parameters
        self.asked_at = 0.0  # monotonic: when the last question was sent
        self.committing = False  # the last statement of a transaction was sent: whether it is done is not known until the answer
        self.committed = False  # that statement was answered: it is done

    def raw(self) -> "psycopg.Connection[Any]":
        """The connection itself."""
        connection: psycopg.Connection[Any] = self.connection()  # type: ignore[no-untyped-call]
        return connection

    def get_context_options(self) -> dict[str, Any]:
        """Tells `db.columns` which SQL this is."""
        return {**super().get_context_options(), "postgres": True}

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Implements peewee's."""
        self.asked_at = time.monotonic()
        return super().execute_sql(sql, params)  # type: ignore[no-untyped-call]

    def begin(self, isolation_level: str | None = None) -> None:
        """Implements peewee's."""
        self.committing, self.committed, self.asked_at = False, False, time.monotonic()
        super().begin(isolation_level)

    def commit(self) -> None:
        """Implements peewee's."""
        self.committing, self.asked_at = True, time.monotonic()
        super().commit()
        self.committing, self.committed = False, True

    def rollback(self) -> None:
        """Not on a connection that is lost: the server has done it."""
        if self.raw().info.transaction_status != pq.TransactionStatus.UNKNOWN:
            super().rollback()

    def asks(self) -> None:
        """Note that something is sent now without `execute_sql`."""
        self.asked_at = time.monotonic()

    @property
    def waits(self) -> bool:
        """Whether an answer is waited for. From any thread."""
        return not self.is_closed() and self.raw().info.transaction_status == pq.TransactionStatus.ACTIVE

    def each(self, question: str) -> Iterator[tuple[Any, ...]]:
        """The rows of an answer of any length, some at a time: in a transaction."""
        with self.raw().cursor(name="each") as cursor:
            self.asks()
            cursor.execute(question)
            while rows := cursor.fetchmany(FETCHED):
                yield from rows
                self.asks()

    def _connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(**self._parameters, autocommit=True)


class PostgresSession:
    """Implements Session: a connection, made again when it was lost."""

    def __init__(self, engine: "PostgresEngine", parameters: dict[str, Any], *, reading: bool) -> None:
        self.tables = PostgresTables(parameters)
        self._engine, self._reading = engine, reading
        self._wire: socket.socket | None = None  # a second handle of the connection, for `break_off`
        self._broken_off = False

    def connect(self) -> None:
        """Raises Unavailable; at once if somebody else has just failed."""
        if not self.tables.is_closed():
            if self.tables.asked_at >= self._engine.silent_at:
                return
            self.close()  # another session has heard nothing since this one was answered last
        with self._engine.trying():
            self.tables.asked_at = time.monotonic()
            try:
                self.tables.connect()
            except (psycopg.Error, peewee.PeeweeException, OSError) as error:
                raise self._engine.unreachable(error) from error
            self._engine.reachable()
        self._wire = socket.socket(fileno=os.dup(self.tables.raw().fileno()))

    def transact(self, function: Callable[[], T], left_s: float) -> T:
        """What another transaction was in the way of, and what lost its connection before the end was sent, is tried again once."""
        self._broken_off = False
        try:
            return self._once(function)
        except (psycopg.Error, peewee.PeeweeException) as error:
            if not self._may_repeat(error):
                raise self._translated(error) from error
            logger.info("a transaction is tried again: %s", one_line(error))
        time.sleep(max(0.0, min(AFTER_S, left_s)))
        try:
            return self._once(function)
        except (psycopg.Error, peewee.PeeweeException) as error:
            raise self._translated(error) from error

    def break_off(self, silent_s: float) -> None:
        """From another thread: the job's wait for an answer ends with an error."""
        if time.monotonic() - self.tables.asked_at < silent_s:
            return
        self._broken_off = True
        self._engine.silent()
        if self._wire is not None:
            with suppress(OSError):  # closed meanwhile
                self._wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Implements Session."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        self.tables.close()

    def _once(self, function: Callable[[], T]) -> T:
        self.connect()
        try:
            with self.tables.atomic("REPEATABLE READ" if self._reading else "READ COMMITTED"):
                return function()
        finally:
            if self.tables.raw().closed:
                self.close()

    def _may_repeat(self, error: BaseException) -> bool:
        """A write whose end was sent may have been done."""
        lost_before_its_end = is_lost(error) and (self._reading or not self.tables.committing)
        return not self._broken_off and (is_repeatable(error) or lost_before_its_end)

    def _translated(self, error: BaseException) -> BaseException:
        """A violated constraint that was not checked for is a Clash; None of the machine's: the error itself."""
        if isinstance(error, peewee.IntegrityError):
            return Clash("conflict")
        if self._broken_off:
            return Unavailable("database_away", f"no answer for {SILENT_S:g} s")
        if self._reading and is_write_by_reader(error):
            return error
        return fault_of(error) or error


class PostgresEngine:
    """Implements DatabaseEngine for the server at `url`, a connection URI of libpq."""

    threads = THREADS
    silent_s: float | None = SILENT_S

    def __init__(self, url: str) -> None:
        """Raises Unusable for what is no such URI; nothing that is said contains it, for it may contain a password."""
        try:
            given = conninfo.conninfo_to_dict(url)
            for port in str(given.get("port") or 0).split(","):
                int(port)
        except (psycopg.ProgrammingError, ValueError):
            raise Unusable("database.url is not like postgresql://user:password@host:5432/name?sslmode=verify-full") from None
        self._given = {"application_name": "hushcast", "connect_timeout": CONNECT_S, **KEEPALIVE, **given}
        self._trouble: Unavailable | None = None
        self._again_at = 0.0  # monotonic
        self._tries = threading.Lock()  # held by the session that tries to connect while there is trouble
        self.silent_at = 0.0  # monotonic: when a session was broken off; connections that were asked last before it are not trusted

    def prepare(self) -> None:
        """Look at the server and the schema, and migrate it."""
        session = self.open(reading=False)
        try:
            session.connect()
            postgres_opening.migrate(session.tables)
        finally:
            session.close()

    def open(self, *, reading: bool) -> PostgresSession:
        """Implements DatabaseEngine; connects with the first job."""
        limits = {
            "statement_timeout": STATEMENT_S * 1000,
            "lock_timeout": LOCK_S * 1000,
            "idle_in_transaction_session_timeout": IDLE_S * 1000,
            "default_transaction_read_only": "on" if reading else "off",
        }
        options = " ".join([str(self._given.get("options") or ""), *(f"-c {name}={value}" for name, value in limits.items())])
        return PostgresSession(self, {**self._given, "options": options.strip()}, reading=reading)

    def check(self, *, write: bool) -> None:
        """Implements DatabaseEngine. Without room or rights the server says so at the next write."""
        TABLES.execute_sql("UPDATE migration SET applied_at = applied_at" if write else "SELECT 1 FROM migration")

    def too_late(self) -> Unavailable:
        """Implements DatabaseEngine."""
        return self._recent() or Unavailable("database_busy", "others have waited for their turn for too long")

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Where a session may connect. Raises Unavailable where one has failed within RETRY_S; while there is trouble one tries at a time,
        and the others do not wait for it."""
        trouble = self._recent()
        if trouble is not None:
            raise trouble
        known = self._trouble
        if known is None:
            yield
            return
        if not self._tries.acquire(blocking=False):
            raise Unavailable(known.code, known.cause)
        try:
            yield
        finally:
            self._tries.release()

    def unreachable(self, error: BaseException) -> Unavailable:
        """Note that a session could not connect; the error for it."""
        trouble = Unavailable("database_away", one_line(error))
        self._trouble, self._again_at = trouble, time.monotonic() + RETRY_S
        return trouble

    def silent(self) -> None:
        """Note that a session was broken off: the server stands still, or the way there is cut."""
        self.silent_at = time.monotonic()

    def reachable(self) -> None:
        """Note that a session has connected."""
        self._trouble = None

    def _recent(self) -> Unavailable | None:
        trouble = self._trouble
        return Unavailable(trouble.code, trouble.cause) if trouble is not None and time.monotonic() < self._again_at else None
