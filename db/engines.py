"""What `db.connection` needs of a kind of database: SQLite (`db.sqlite`) or PostgreSQL (`db.postgres`)."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import peewee

from db.errors import Unavailable

T = TypeVar("T")


class Session(Protocol):
    """One connection, which one thread uses at a time."""

    @property
    def tables(self) -> peewee.Database:
        """What the tables are in while this thread runs."""

    def transact(self, function: Callable[[], T], left_s: float) -> T:
        """Call a function in one transaction; locks are waited for at most `left_s`. Raises what it raises, Clash and Unavailable."""

    def break_off(self, silent_s: float) -> None:
        """From another thread: end a transaction whose last question has had no answer for so long."""

    def close(self) -> None:
        """From any thread, while no transaction runs."""


class DatabaseEngine(Protocol):
    """Makes sessions. threads: how many of a lane run at a time. silent_s: how long an answer may take; None: as long as it takes."""

    threads: int
    silent_s: float | None

    def prepare(self) -> None:
        """Before the first session, in a thread: create what is missing, check it, migrate it. Raises Unusable, Unavailable."""

    def open(self, *, reading: bool) -> Session:
        """A session, read-only if asked. Raises Unusable, Unavailable."""

    def check(self, *, write: bool) -> None:
        """In a transaction of a writer: whether it can be written; `write`: find out by writing. Raises Unavailable."""

    def too_late(self) -> Unavailable:
        """The refusal for a job that did not start in time."""
