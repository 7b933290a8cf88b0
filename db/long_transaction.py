"""One transaction of a command on PostgreSQL, which may take as long as there are rows: without the limits that servers have.

It ends where PostgreSQL answers nothing for SILENT_S, and waits at most LOCK_S for the locks of others.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import peewee
import psycopg

from db.errors import Undecided, Unusable
from db.postgres import PostgresEngine, PostgresSession, PostgresTables
from db.postgres_faults import is_lost, one_line, trouble_of

SILENT_S = 600.0  # longer than the longest step takes, the end of a table's rows, where those are compared that refer to others
LOCK_S = 60
LIMITS = "SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0", f"SET LOCAL lock_timeout = '{LOCK_S}s'"


@contextmanager
def long_transaction(engine: PostgresEngine, undone: str, *, reading: bool = False) -> Iterator[PostgresTables]:
    """The tables within the transaction; reading: as they are at one moment. Who asks without `execute_sql` calls `asks`.

    undone: what is so after an error, for its text. Errors of a SQLite file in the block are meant too. Raises Unusable, Unavailable:
    nothing was changed; Undecided: that is not known, or the error came when all was done.
    """
    session = engine.open(reading=reading)
    try:
        with _closing(session, undone, reading=reading) as tables:
            yield tables
    except Undecided:
        raise
    except BaseException as error:
        if session.tables.committed and not reading:
            raise Undecided("database_away", f"it was answered, and then came {one_line(error) or type(error).__name__}") from error
        raise


@contextmanager
def _closing(session: PostgresSession, undone: str, *, reading: bool) -> Iterator[PostgresTables]:
    """The transaction, and the end of the session."""
    tables = session.tables
    try:
        session.connect()
        with _listening(session), tables.atomic("REPEATABLE READ" if reading else None):
            for limit in LIMITS:
                tables.execute_sql(limit)
            yield tables
    except (psycopg.Error, peewee.PeeweeException, sqlite3.Error, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if tables.committing and not reading and (interrupted or is_lost(error)):
            raise Undecided("database_away", f"the end was sent and not answered: {one_line(error)}") from error
        if interrupted:
            raise
        raise trouble_of(error) or Unusable(f"{undone}: {one_line(error)}") from error
    finally:
        session.close()


@contextmanager
def _listening(session: PostgresSession) -> Iterator[None]:
    """Breaks the session off where it waits for an answer for too long: a host that stands still keeps its connections."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(SILENT_S / 10):
            if session.tables.waits:
                session.break_off(SILENT_S)

    watching = threading.Thread(target=look, name="db-listening", daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()
